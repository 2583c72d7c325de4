#include "inference/evaluated_data.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "comm/agreement.hpp"
#include "config/expand_paths.hpp"
#include "hdf5/file.hpp"
#include "inference/network_files.hpp"
#include "input/open_data.hpp"

namespace vae_dist::inference {

namespace {

// The source of the run to which a choice refers.
struct Chosen {
  config::SourceConfig source;
  std::string key;  // for messages
  bool held_out = false,
       kept = false;  // the part that is held out of data.train, or the rest
};

// The file is read as the training data were: by dataset, layout and scale, where the run gives
// them. A file without that dataset is read by what it says about itself.
config::SourceConfig read_like_training(const config::SourceConfig& train,
                                        const std::string& file) {
  config::SourceConfig source;
  source.file = {file};
  const std::vector<std::string> paths = hdf5::Hdf5File::open(file).dataset_paths();
  for (const std::string& dataset : train.dataset) {
    const std::string path = dataset.substr(dataset.find_first_not_of('/'));
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) return source;
  }
  source.dataset = train.dataset;
  source.layout = train.layout;
  source.scale = train.scale;
  return source;
}

Chosen find_source(const TrainedModel& trained, const DataChoice& choice) {
  const config::DataConfig& data = trained.config.data;
  if (!choice.file.empty()) {
    if (!choice.split.empty())
      throw base::BadInput(base::text(
          "--split ", choice.split,
          " selects a part of the run's own data, so it cannot be combined with --data"));
    return {read_like_training(data.train, choice.file), "--data"};
  }
  const bool file = !data.validation.file.empty(), fraction = data.validation.fraction.has_value();
  if (choice.split == "validation" && !file && !fraction)
    throw base::BadInput(
        base::text(trained.origin.string(),
                   ": the run has no validation data; give --split train or --data FILE"));
  if (choice.split == "train" || (!file && !fraction))
    return {data.train, "data.train", false, fraction};
  if (file) return {data.validation, "data.validation"};
  return {data.train, "data.train", true, false};
}

// Returns a missing file of the source, or an empty string if all exist.
std::string missing_file(const config::SourceConfig& source) {
  std::error_code error;
  const std::vector<std::string> files = config::listed_files(source.file);
  const auto found = std::find_if(files.begin(), files.end(), [&](const std::string& file) {
    return !std::filesystem::exists(file, error);
  });
  return found == files.end() ? "" : *found;
}

// Throws BadInput if the run's own data are no longer where they were.
void require_own_data(const TrainedModel& trained, const DataChoice& choice, const Chosen& chosen) {
  if (!choice.file.empty()) return;
  const std::string missing = missing_file(chosen.source);
  if (!missing.empty())
    throw base::BadInput(
        base::text(trained.origin.string(), ": the run's data, ", missing, " (", chosen.key,
                   "), does not exist",
                   std::filesystem::path(missing).is_relative() ? " as seen from this folder" : "",
                   "; if it has moved, name its new place with --data FILE"));
}

data::SampleDataset part_of(data::SampleDataset images, const TrainedModel& trained,
                            const Chosen& chosen) {
  if (!chosen.held_out && !chosen.kept) return images;
  data::SampleDataset held_out =
      images.hold_out(*trained.config.data.validation.fraction,
                      static_cast<std::uint64_t>(trained.config.run.seed));
  return chosen.held_out ? held_out : images;
}

void check_fits(const data::SampleDataset& images, const TrainedModel& trained) {
  if (images.shape() == trained.shape) return;
  throw base::BadInput(base::text(images.description(), " does not fit ", trained.origin.string(),
                                  ", whose model is for ", trained.shape.plural(), " ",
                                  trained.shape.text()));
}

std::int64_t training_samples(const TrainedModel& trained) {
  const std::string missing = missing_file(trained.config.data.train),
                    why =
                        "the objective depends on N, the number of training samples "
                        "(objective.kld_weight.rule batch_over_dataset, or the regulariser tc), "
                        "which cannot be determined: ";
  if (!missing.empty())
    throw base::BadInput(
        base::text(why, missing, " (data.train) does not exist; put it, or a link to it, there"));
  DataChoice training;
  training.split = "train";
  try {
    return open_chosen_data(trained, training).size();
  } catch (const base::BadInput& error) {
    throw base::BadInput(why + error.what());
  }
}

}  // namespace

TrainedModel load_shared_model(const std::string& location, comm::CpuCommunicator& all_ranks) {
  TrainedModel trained;
  comm::agree_on_rank_0(all_ranks, [&] { trained = load_trained_model(location); });
  const std::string origin = comm::broadcast_text(all_ranks, trained.origin.string());
  comm::agree(all_ranks, [&] {
    if (all_ranks.rank() != 0) trained = load_trained_model(origin);
  });
  return trained;
}

data::SampleDataset open_chosen_data(const TrainedModel& trained, const DataChoice& choice) {
  const Chosen chosen = find_source(trained, choice);
  require_own_data(trained, choice, chosen);
  data::SampleDataset images =
      part_of(input::open_source(trained.config, chosen.source, chosen.key), trained, chosen);
  check_fits(images, trained);
  input::use_normalisation(images, trained.state.normalisation);
  images.use_conditions(conditions_of(trained).of_samples(images));
  return images;
}

SharedData open_shared_data(const TrainedModel& trained, const DataChoice& choice,
                            const comm::MpiWorld& world, comm::CpuCommunicator& all_ranks) {
  config::Config config = trained.config;
  Chosen chosen;
  comm::agree(all_ranks, [&] {
    chosen = find_source(trained, choice);
    require_own_data(trained, choice, chosen);
    check_fits(input::open_source(config, chosen.source, chosen.key), trained);
  });
  // Opens this source only, whatever else the run had.
  config.data.train = chosen.source;
  config.data.validation = config::SourceConfig{};
  config.data.cache = config::Cache::automatic;
  config.data.order = config::Order::global;  // there is no order to keep
  input::RunData data = input::open_run_data(
      config, world, all_ranks, {trained.state.normalisation, trained.state.conditions});
  SharedData out{part_of(std::move(data.train), trained, chosen), std::move(data.node)};
  comm::agree(all_ranks,
              [&] { out.images.use_conditions(data.conditions.of_samples(out.images)); });
  return out;
}

std::vector<data::StoredArray> arrays_of(const TrainedModel& trained) {
  if (const auto normaliser = normaliser_of(trained)) return normaliser->numbers().arrays;
  try {
    return input::open_source(trained.config, trained.config.data.train, "data.train")
        .stored_arrays();
  } catch (const base::Error&) {
    return {};  // names are no reason to fail
  }
}

arrays::RowRange chosen_rows(const std::string& rows, std::int64_t size) {
  if (rows.empty()) return {0, size};
  const base::BadInput no_range(
      base::text("--rows ", rows, ": give A:B for rows A to B - 1, for example 0:32"));
  const std::size_t colon = rows.find(':');
  try {
    if (colon != std::string::npos) {
      std::size_t used_first = 0, used_last = 0;
      const std::string first = rows.substr(0, colon), last = rows.substr(colon + 1);
      const arrays::RowRange range{std::stoll(first, &used_first), std::stoll(last, &used_last)};
      if (used_first == first.size() && used_last == last.size() && range.first >= 0 &&
          range.first < range.last) {
        if (range.last > size)
          throw base::BadInput(base::text("--rows ", rows, ": there are ", size, " images"));
        return range;
      }
    }
  } catch (const std::logic_error&) {
    throw no_range;  // no number, or one that is too large
  }
  throw no_range;
}

step::ResolvedObjective objective_of(const TrainedModel& trained) {
  bool needs_samples = config::kld_weight_rule(trained.config.objective) ==
                       config::KldWeightRule::batch_over_dataset;
  for (const auto& entry : trained.config.objective.regularisers.entries())
    needs_samples =
        needs_samples ||
        base::Registry<base::Regulariser>::all().at(entry.item->name).reads_training_samples;
  return step::resolve_objective(trained.config, needs_samples ? training_samples(trained) : 1,
                                 trained.shape);
}

evaluate::EvaluationSubject evaluation_subject(const TrainedModel& trained,
                                               const step::ResolvedObjective& objective,
                                               const data::SampleDataset& images,
                                               arrays::RowRange samples) {
  evaluate::EvaluationSubject subject;
  subject.checkpoint = trained.origin.string();
  subject.model = trained.config.model.network.name;
  subject.data = images.description();
  subject.step = trained.state.step;
  subject.samples = samples;
  subject.kld_weight = objective.kld_weight;
  subject.beta = objective.beta_at(std::max<std::int64_t>(0, trained.state.step - 1));
  subject.has_kld = objective.has_kld;
  subject.reconstruction_unit =
      evaluate::reconstruction_unit(objective.options, objective.likelihood);
  if (!objective.options.script.empty())
    subject.script = base::text(
        std::filesystem::path(objective.options.script).filename().string(), " (SHA-256 ",
        sums_of_network_files(trained.config).at("objective.script").substr(0, 12), "...)");
  return subject;
}

void require_encoder(const TrainedModel& trained, const std::string& purpose) {
  if (trained.model->latent_kind() == base::LatentKind::none)
    throw base::BadInput(
        base::text(trained.origin.string(),
                   " is a decoder_only model: without an encoder there is nothing to ", purpose));
}

evaluate::EvaluationOptions evaluation_options(const config::Config& config,
                                               const step::ResolvedObjective& objective,
                                               const data::SampleDataset& images,
                                               arrays::RowRange samples, std::int64_t steps,
                                               c10::Device device) {
  evaluate::EvaluationOptions options;
  options.format = input::input_format(config, images, device);
  // Uses the current beta of a schedule, for comparison with what training minimises now.
  options.weights = objective.weights_at(std::max<std::int64_t>(0, steps - 1));
  options.final_weights = objective.final_weights();
  // A block takes some ten times the memory of its values in single precision.
  constexpr std::int64_t kMostBlockValues = std::int64_t{1} << 24;
  options.block = std::clamp<std::int64_t>(kMostBlockValues / images.shape().values(), 1,
                                           config.evaluate.batch);
  options.first = samples.first;
  options.samples = samples.size();
  options.importance_samples = config.evaluate.importance_samples;
  options.seed = static_cast<std::uint64_t>(config.run.seed);
  options.is_likelihood = step::is_likelihood_of(config, images);
  if (!options.is_likelihood ||
      objective::is_squared_error(objective.options, objective.likelihood))
    options.compared_values = evaluate::Values::mean;
  options.fixed_sigma = config::likelihood_traits(config.objective).fixed_sigma;
  return options;
}

}  // namespace vae_dist::inference
