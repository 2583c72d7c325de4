#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/digits.hpp"
#include "base/durable_file.hpp"
#include "base/utf8.hpp"
#include "launcher/verbs.hpp"
#include "train/run_list.hpp"

namespace vae_dist::launcher {
namespace {

using train::ListedRun;

struct RunsOptions {
  std::filesystem::path folder = "runs";
  std::string sort = "name", json;
};

std::string age_text(double seconds) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < kMinute) return base::text(std::floor(seconds), " s");
  if (seconds < kHour) return base::text(std::floor(seconds / kMinute), " min");
  if (seconds < 2 * kDay) return base::text(std::floor(seconds / kHour), " h");
  return base::text(std::floor(seconds / kDay), " days");
}

void print(const std::vector<ListedRun>& runs) {
  std::vector<std::vector<std::string>> rows = {
      {"run", "state", "step", "best validation", "samples/s", "age", "differs in"}};
  for (const ListedRun& run : runs) {
    std::string differs;
    for (const auto& [name, value] : run.differs)
      differs += base::text(differs.empty() ? "" : ", ", name, "=", value);
    rows.push_back(
        {run.name, run.state,
         base::text(run.step, " of ", run.steps_planned ? std::to_string(*run.steps_planned) : "?"),
         run.best ? base::text(run.measure->name, " ", base::digits(*run.best)) : "-",
         run.samples_per_second ? std::to_string(std::llround(*run.samples_per_second)) : "-",
         run.age ? age_text(*run.age) : "-",
         !run.unreadable.empty()     ? base::text("(", run.unreadable, ")")
         : run.configuration.empty() ? "(its config.yaml cannot be read)"
                                     : differs});
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      line += row[column];
      line.append(widths[column] - row[column].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::cout << line << "\n";
  }
}

nlohmann::ordered_json json_of(const std::vector<ListedRun>& runs) {
  const auto maybe = [](const auto& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const ListedRun& run : runs) {
    nlohmann::ordered_json differs = nlohmann::ordered_json::object();
    for (const auto& [name, value] : run.differs) differs[name] = value;
    nlohmann::ordered_json best;
    if (run.best)
      best = {{"measure", run.measure->name}, {"value", *run.best}, {"step", run.best_step}};
    out.push_back({{"name", run.name},
                   {"state", run.state},
                   {"unreadable", run.unreadable.empty() ? nlohmann::ordered_json()
                                                         : nlohmann::ordered_json(run.unreadable)},
                   {"step", run.step},
                   {"steps_planned", maybe(run.steps_planned)},
                   {"best", best},
                   {"samples_per_second", maybe(run.samples_per_second)},
                   {"age_seconds", maybe(run.age)},
                   {"differs", differs}});
  }
  return out;
}

void tell_runs(const RunsOptions& options) {
  std::vector<ListedRun> runs = train::list_runs(options.folder);
  if (runs.empty()) {
    std::cout << "no runs below " << options.folder.string() << "\n";
  } else {
    train::sort_runs(runs, options.sort);
    print(runs);
  }
  if (!options.json.empty())
    base::replace_file(options.json, base::json_text(json_of(runs), 2) + "\n");
}

}  // namespace

void add_runs_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<RunsOptions>();
  CLI::App* verb = app.add_subcommand(
      "runs",
      "List all runs below a folder: state (running, finished, stopped, failed, unreadable), step, "
      "best "
      "validation, speed, time since the last record, and what differs in their configurations");
  verb->add_option("folder", options->folder, "Folder that holds the runs, or a run")
      ->capture_default_str();
  verb->add_option("--sort", options->sort,
                   "name, state, step, best, samples_per_second, age, or a key of the "
                   "configuration: the best, fastest and newest first")
      ->capture_default_str();
  context.files.add_output(*verb, "--json", options->json, "Also write the list to this file");
  verb->footer(
      "Examples:\n  vae_dist runs\n  vae_dist runs sweeps --sort best\n  vae_dist runs --sort "
      "train.optimizer.learning_rate --json runs.json");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { tell_runs(*options); });
  });
}

}  // namespace vae_dist::launcher
