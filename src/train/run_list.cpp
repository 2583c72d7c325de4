#include "train/run_list.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <system_error>
#include <tuple>

#include "base/digits.hpp"
#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/modified.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/load_config.hpp"
#include "config/nearest_name.hpp"
#include "config/values_in_effect.hpp"
#include "report/run_log_reader.hpp"
#include "run/run_lock.hpp"
#include "train/early_stop.hpp"

namespace vae_dist::train {
namespace {

// The speed is the median over this many logged steps, so that one slow step does not count.
constexpr std::size_t kStepsOfSpeed = 20;

// An empty object: the file is missing, or damaged.
nlohmann::json json_in(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return nlohmann::json::object();
  auto object = nlohmann::json::parse(base::read_file(file), nullptr, /*allow_exceptions=*/false);
  return object.is_object() ? object : nlohmann::json::object();
}

std::optional<config::Config> configuration_in(const std::filesystem::path& directory) {
  try {
    const std::filesystem::path file = directory / "config.yaml";
    return config::parse_kept_config(base::read_file(file), file.string()).config;
  } catch (const base::BadInput&) {
    return std::nullopt;  // written by another version
  }
}

std::optional<checkpoint::TrainingState> state_in(const std::filesystem::path& checkpoint) {
  const std::filesystem::path evaluated = checkpoint / "state_evaluated.json";
  const std::filesystem::path file =
      std::filesystem::exists(evaluated) ? evaluated : checkpoint / "state.json";
  try {
    return checkpoint::training_state_from_json(base::read_file(file), file.string());
  } catch (const base::BadInput&) {
    return std::nullopt;
  }
}

// Whether the process that holds the lock still trains, as far as can be seen from here.
bool holds(const std::filesystem::path& lock) {
  const std::optional<run::ProcessIdentity> holder = run::lock_holder(lock);
  if (holder && run::sees(run::own_process(), *holder)) return !run::has_ended(*holder);
  const base::Seconds now(static_cast<double>(std::time(nullptr)));
  return now - base::modified(lock).value_or(base::Seconds(0)) <
         run::RunLock::kMissedHeartbeats * run::RunLock::kHeartbeat;
}

bool has_failed(const std::filesystem::path& directory) {
  const base::Seconds never(0),
      started = base::modified(directory / "environment.json").value_or(never);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory / "errors", ignored))
    if (base::modified(entry.path()).value_or(never) >= started) return true;
  return false;
}

std::string state_of(const std::filesystem::path& directory, const ListedRun& run,
                     const std::optional<config::Config>& config,
                     const std::optional<checkpoint::TrainingState>& state) {
  const std::filesystem::path lock = directory / "lock.json";
  if (std::filesystem::exists(lock) && holds(lock)) return "running";
  // A run that is killed leaves its lock behind; one that ends while it is looked at does not.
  if (std::filesystem::exists(lock)) return "failed";
  if (state &&
      ((run.steps_planned && state->step >= *run.steps_planned && state->awaits_evaluation == 0) ||
       (config && stops_early(config->train.early_stop, *state))))
    return "finished";
  return has_failed(directory) ? "failed" : "stopped";
}

void add_best(const std::vector<report::ReportEvaluation>& evaluations,
              const config::Config& config, ListedRun& run) {
  const auto value_named = [](const report::ReportEvaluation& evaluation, const std::string& name) {
    for (const auto& [own, value] : evaluation.values)
      if (own == name) return std::optional(value);
    return std::optional<double>();
  };
  const bool final_loss =
      std::any_of(evaluations.begin(), evaluations.end(),
                  [&](const auto& each) { return value_named(each, "final_loss").has_value(); });
  run.measure = evaluate::measure_named(config.checkpoint.best, final_loss);
  for (const report::ReportEvaluation& each : evaluations) {
    const std::optional<double> value = value_named(each, run.measure->name);
    if (each.on != "validation" || !value || !run.measure->is_better(*value, run.best)) continue;
    run.best = *value;
    run.best_step = static_cast<std::int64_t>(each.step);
  }
}

std::optional<double> median_of_last(const report::Curves& curves, const std::string& name) {
  const auto found = curves.find(name);
  if (found == curves.end()) return std::nullopt;
  const std::vector<double>& all = found->second.value;
  std::vector<double> last(
      all.end() - static_cast<std::ptrdiff_t>(std::min(all.size(), kStepsOfSpeed)), all.end());
  std::erase_if(last, [](double value) { return !std::isfinite(value); });
  if (last.empty()) return std::nullopt;
  const auto middle = last.begin() + static_cast<std::ptrdiff_t>(last.size() / 2);
  std::nth_element(last.begin(), middle, last.end());
  return *middle;
}

void read_run(const std::filesystem::path& directory, ListedRun& run) {
  const std::filesystem::path log = directory / "metrics.jsonl";
  report::RunRecord record;
  if (std::filesystem::exists(log)) report::RunLogReader(log).read_into(record);
  if (const auto loss = record.curves.find("loss"); loss != record.curves.end())
    run.step = static_cast<std::int64_t>(loss->second.step.back());
  const auto checkpoints = checkpoint::find_checkpoints(directory / "checkpoints");
  const auto state = checkpoints.empty() ? std::nullopt : state_in(checkpoints.front());
  if (state) run.step = std::max(run.step, state->step);
  const std::optional<config::Config> config = configuration_in(directory);
  const nlohmann::json environment = json_in(directory / "environment.json");
  if (const auto planned = environment.find("steps planned");
      planned != environment.end() && planned->is_number_integer())
    run.steps_planned = planned->get<std::int64_t>();
  else if (config)
    run.steps_planned = config->train.steps;  // older runs do not tell the length of an epoch
  run.state = state_of(directory, run, config, state);
  if (config) {
    add_best(record.evaluations, *config, run);
    for (auto& [name, value] : config::values_in_effect(*config))
      run.configuration.emplace(std::move(name), std::move(value));
  }
  run.samples_per_second = median_of_last(record.curves, "samples_per_second");
  if (const auto written = base::modified(std::filesystem::exists(log) ? log : directory))
    run.age = std::max(0.0, static_cast<double>(std::time(nullptr)) - written->count());
}

ListedRun unreadable_run(const std::string& name, const std::string& reason) {
  ListedRun run;
  run.name = name;
  run.state = "unreadable";
  run.unreadable = reason;
  return run;
}

ListedRun listed_run(const std::filesystem::path& directory, const std::string& name) {
  try {
    ListedRun run;
    run.name = name;
    read_run(directory, run);
    return run;
  } catch (const std::exception& error) {
    return unreadable_run(name, error.what());
  }
}

// Returns the type of what a path leads to; `error` is left empty if nothing is there.
std::filesystem::file_type type_at(const std::filesystem::path& path, std::error_code& error) {
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::status_known(status)) error.clear();
  return status.type();
}

bool is_run(const std::filesystem::path& directory, std::error_code& error) {
  using Type = std::filesystem::file_type;
  const Type configuration = type_at(directory / "config.yaml", error);
  if (error || configuration == Type::not_found) return false;
  return type_at(directory / "checkpoints", error) == Type::directory;
}

// Adds the runs in `folder`, which is called `name`, and below it.
void add_runs(const std::filesystem::path& folder, const std::string& name,
              std::vector<ListedRun>& out) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code of_entry;
    if (!at->is_directory(of_entry)) continue;
    const std::string file = at->path().filename().string();
    const std::string its_name = name.empty() ? file : base::text(name, "/", file);
    if (is_run(at->path(), of_entry))
      out.push_back(listed_run(at->path(), its_name));
    else if (of_entry)
      out.push_back(unreadable_run(its_name, of_entry.message()));
    else if (!at->is_symlink(of_entry))
      add_runs(at->path(), its_name, out);
  }
  if (error && error != std::errc::no_such_file_or_directory)  // it may vanish meanwhile
    out.push_back(unreadable_run(name.empty() ? folder.string() : name, error.message()));
}

// The keys whose values are not the same in all runs. The name is told anyway.
void find_differences(std::vector<ListedRun>& runs) {
  std::map<std::string, std::map<std::string, std::size_t>> seen;
  std::size_t readable = 0;
  for (const ListedRun& run : runs) {
    readable += run.configuration.empty() ? 0 : 1;
    for (const auto& [name, value] : run.configuration) ++seen[name][value];
  }
  for (ListedRun& run : runs)
    for (const auto& [name, value] : run.configuration)
      if (name != "run.name" && seen[name][value] < readable) run.differs.emplace_back(name, value);
}

// By what a list is sorted: numbers before texts, what is unknown last.
struct SortKey {
  int kind = 2;
  double number = 0;
  std::string text;
  bool operator<(const SortKey& other) const {
    return std::tie(kind, number, text) < std::tie(other.kind, other.number, other.text);
  }
};

SortKey sort_key(const ListedRun& run, const std::string& by) {
  const auto of_number = [](const std::optional<double>& number, double sign) {
    return number ? SortKey{0, sign * *number, ""} : SortKey{};
  };
  if (by == "name") return {1, 0, run.name};
  if (by == "state") return {1, 0, run.state};
  if (by == "step") return {0, -static_cast<double>(run.step), ""};
  if (by == "best") return of_number(run.best, run.measure && run.measure->more_is_better ? -1 : 1);
  if (by == "samples_per_second") return of_number(run.samples_per_second, -1);
  if (by == "age") return of_number(run.age, 1);
  const auto found = run.configuration.find(by);
  if (found == run.configuration.end()) return {};
  const auto number = base::number_in(found->second);
  return number ? SortKey{0, *number, ""} : SortKey{1, 0, found->second};
}

}  // namespace

std::vector<ListedRun> list_runs(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw base::BadInput(base::text("there is no folder ", folder.string(),
                                    "; give the one that holds the runs (run.directory)"));
  std::vector<ListedRun> out;
  std::error_code error;
  if (is_run(folder, error))
    out.push_back(
        listed_run(folder, std::filesystem::weakly_canonical(folder).filename().string()));
  else
    add_runs(folder, "", out);
  find_differences(out);
  return out;
}

void sort_runs(std::vector<ListedRun>& runs, const std::string& by) {
  std::vector<std::string> known = {"name", "state", "step", "best", "samples_per_second", "age"};
  for (const ListedRun& run : runs)
    for (const auto& [name, value] : run.configuration) known.push_back(name);
  if (std::find(known.begin(), known.end(), by) == known.end()) {
    const std::string nearest = config::nearest_name(by, known);
    throw base::BadInput(base::text("--sort ", by,
                                    ": there is no such column, or key of the configuration",
                                    nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
  }
  std::stable_sort(runs.begin(), runs.end(), [&](const ListedRun& a, const ListedRun& b) {
    const SortKey left = sort_key(a, by), right = sort_key(b, by);
    return left < right || (!(right < left) && a.name < b.name);
  });
}

}  // namespace vae_dist::train
