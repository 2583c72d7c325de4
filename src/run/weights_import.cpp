#include "run/weights_import.hpp"

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "config/load_config.hpp"
#include "config/words.hpp"
#include "inference/foreign_weights.hpp"
#include "inference/network_files.hpp"
#include "input/open_data.hpp"
#include "run/run_beginning.hpp"
#include "run/run_directory.hpp"
#include "step/learner.hpp"
#include "step/make_model.hpp"

namespace vae_dist::run {

ImportedWeights import_weights(const WeightsToImport& given, const std::string& config_file,
                               const std::vector<std::string>& overrides) {
  const config::Config config = config::load_config(config_file, overrides);
  const RunDirectory directory(config.run);
  if (!checkpoint::find_checkpoints(directory.checkpoints()).empty())
    throw base::BadInput(base::text(
        directory.path(), " already holds the checkpoints of a run. Choose another run.name"));
  const checkpoint::TensorFile weights =
      inference::with_bare_names(checkpoint::read_safetensors(given.file), given.origin);
  if (!given.allow_not_finite)
    inference::require_finite(
        weights, config.train.precision == config::Precision::fp64 ? at::kDouble : at::kFloat,
        given.origin);
  const data::SampleDataset data = input::open_source(config, config.data.train, "data.train");

  const std::unique_ptr<comm::CpuCommunicator> self = comm::make_self_communicator();
  comm::CollectiveLog log;
  const conditions::Conditions told =
      conditions::Conditions::find(config.data.train.condition, data);
  step::Learner learner({config, data.shape(), {}, {}, told.values()}, *self, log);
  checkpoint::Checkpoint beginning;
  beginning.weights = weights;
  learner.begin_with(beginning, given.origin);
  // Check this after the names: a mismatch of names says more about a file of another kind of
  // model.
  inference::require_same_network(weights, config, given.origin);
  checkpoint::TrainingState state;
  state.seed = config.run.seed;
  state.replicas = config.distributed.replicas.value_or(0);
  state.world_size = 1;
  state.dataset_fingerprint = data.fingerprint();
  state.begun_from = given.origin;
  state.conditions = told.text();
  state.kept_files = inference::keep_network_files(config, directory.path());
  state.normalisation = input::find_normalisation(config, data, *self, 1);
  const std::string network =
      base::text("a decoder that ends in ", config::word(step::resolved_output(config)),
                 ", images in [", config.data.range[0], ", ", config.data.range[1], "]");
  return {write_beginning(config, learner, std::move(state)), network};
}

}  // namespace vae_dist::run
