#include "inference/evaluated_data.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "comm/agreement.hpp"
#include "config/kld_weight_rule.hpp"

namespace vae_dist {
namespace {

// What `choice` means among the run's sources.
struct Chosen {
  SourceConfig source;
  std::string key;                         // for messages
  bool held_out = false, kept = false;     // of data.train, where part of it is held out: that part, or the rest
};

Chosen find_source(const TrainedModel& trained, const DataChoice& choice) {
  const DataConfig& data = trained.config.data;
  if (!choice.file.empty()) {
    if (!choice.split.empty()) throw BadInput(text("--split ", choice.split, " is a part of the run's own data: it does not go with --data"));
    SourceConfig source;
    source.file = {choice.file};
    return {source, "--data"};
  }
  const bool file = !data.validation.file.empty(), fraction = data.validation.fraction.has_value();
  if (choice.split == "validation" && !file && !fraction) throw BadInput(text(trained.origin.string(), ": the run has no validation data; give --split train or --data FILE"));
  if (choice.split == "train" || (!file && !fraction)) return {data.train, "data.train", false, fraction};
  if (file) return {data.validation, "data.validation"};
  return {data.train, "data.train", true, false};
}

// A file of the source that is not there; empty: all are.
std::string missing_file(const SourceConfig& source) {
  std::error_code error;
  const auto found = std::find_if(source.file.begin(), source.file.end(), [&](const std::string& file) { return !std::filesystem::exists(file, error); });
  return found == source.file.end() ? "" : *found;
}

// The run's own data may lie elsewhere by now.
void require_own_data(const TrainedModel& trained, const DataChoice& choice, const Chosen& chosen) {
  if (!choice.file.empty()) return;
  const std::string missing = missing_file(chosen.source);
  if (!missing.empty())
    throw BadInput(text(trained.origin.string(), ": the run's data, ", missing, " (", chosen.key, "), is not there", std::filesystem::path(missing).is_relative() ? " as seen from this folder" : "",
                        ": where it has moved to, name it with --data FILE"));
}

SampleDataset part_of(SampleDataset images, const TrainedModel& trained, const Chosen& chosen) {
  if (!chosen.held_out && !chosen.kept) return images;
  SampleDataset held_out = images.hold_out(*trained.config.data.validation.fraction, static_cast<std::uint64_t>(trained.config.run.seed));
  return chosen.held_out ? held_out : images;
}

void check_fits(const SampleDataset& images, const TrainedModel& trained) {
  if (images.shape() == trained.shape) return;
  throw BadInput(text(images.description(), " does not fit ", trained.origin.string(), ", whose model is for images ", trained.shape.channels, "x", trained.shape.height, "x", trained.shape.width));
}

std::int64_t training_samples(const TrainedModel& trained) {
  const std::string missing = missing_file(trained.config.data.train), why = "M_N is G / N (objective.kld_weight.rule batch_over_dataset), and N, the number of training samples, can't be found: ";
  if (!missing.empty()) throw BadInput(text(why, missing, " (data.train) is not there; put it, or a link to it, there"));
  DataChoice training;
  training.split = "train";
  try {
    return open_chosen_data(trained, training).size();
  } catch (const BadInput& error) {
    throw BadInput(why + error.what());
  }
}

}  // namespace

TrainedModel load_shared_model(const std::string& place, Communicator& host) {
  TrainedModel trained;
  agree_on_rank_0(host, [&] { trained = load_trained_model(place); });
  const std::string origin = broadcast_text(host, trained.origin.string());
  agree(host, [&] {
    if (host.rank() != 0) trained = load_trained_model(origin);
  });
  return trained;
}

SampleDataset open_chosen_data(const TrainedModel& trained, const DataChoice& choice) {
  const Chosen chosen = find_source(trained, choice);
  require_own_data(trained, choice, chosen);
  SampleDataset images = part_of(open_source(trained.config, chosen.source, chosen.key), trained, chosen);
  check_fits(images, trained);
  return images;
}

SharedData open_shared_data(const TrainedModel& trained, const DataChoice& choice, const MpiWorld& world, Communicator& host) {
  Config config = trained.config;
  Chosen chosen;
  agree(host, [&] {
    chosen = find_source(trained, choice);
    require_own_data(trained, choice, chosen);
    check_fits(open_source(config, chosen.source, chosen.key), trained);
  });
  // One source alone, whatever the run had beside it.
  config.data.train = chosen.source;
  config.data.validation = SourceConfig{};
  config.data.cache = "auto";
  RunData data = open_run_data(config, world, host);
  return {part_of(std::move(data.train), trained, chosen), std::move(data.node)};
}

RowRange chosen_rows(const std::string& rows, std::int64_t size) {
  if (rows.empty()) return {0, size};
  const std::size_t colon = rows.find(':');
  try {
    if (colon != std::string::npos) {
      std::size_t used_first = 0, used_last = 0;
      const std::string first = rows.substr(0, colon), last = rows.substr(colon + 1);
      const RowRange range{std::stoll(first, &used_first), std::stoll(last, &used_last)};
      if (used_first == first.size() && used_last == last.size() && range.first >= 0 && range.first < range.last) {
        if (range.last > size) throw BadInput(text("--rows ", rows, ": there are ", size, " images"));
        return range;
      }
    }
  } catch (const std::logic_error&) {
    // told below
  }
  throw BadInput(text("--rows ", rows, ": give A:B, rows A to B - 1, for example 0:32"));
}

ResolvedObjective objective_of(const TrainedModel& trained) {
  const bool needs_samples = kld_weight_rule(trained.config.objective) == "batch_over_dataset";
  return resolve_objective(trained.config, needs_samples ? training_samples(trained) : 1, trained.shape);
}

EvaluationSubject evaluation_subject(const TrainedModel& trained, const ResolvedObjective& objective, const SampleDataset& images, RowRange samples) {
  EvaluationSubject subject;
  subject.checkpoint = trained.origin.string();
  subject.model = trained.config.model.name;
  subject.data = images.description();
  subject.step = trained.state.step;
  subject.samples = samples;
  subject.kld_weight = objective.kld_weight;
  subject.beta = objective.beta_at(std::max<std::int64_t>(0, trained.state.step - 1));
  subject.has_kld = objective.has_kld;
  subject.reconstruction_unit = reconstruction_unit(objective.options, objective.likelihood);
  return subject;
}

void require_encoder(const TrainedModel& trained, const std::string& purpose) {
  if (trained.model->latent_kind() == LatentKind::none) throw BadInput(text(trained.origin.string(), " is a decoder_only model: without an encoder there is nothing to ", purpose));
}

}  // namespace vae_dist
