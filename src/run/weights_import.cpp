#include "run/weights_import.hpp"

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "config/load_config.hpp"
#include "step/open_data.hpp"
#include "run/run_beginning.hpp"
#include "run/run_directory.hpp"
#include "step/learner.hpp"
#include "step/make_model.hpp"
#include "inference/foreign_weights.hpp"

namespace vae_dist {

ImportedWeights import_weights(const WeightsToImport& given, const std::string& config_file, const std::vector<std::string>& overrides) {
  const Config config = load_config(config_file, overrides);
  const RunDirectory directory(config.run);
  if (!find_checkpoints(directory.checkpoints()).empty())
    throw BadInput(text(directory.path(), " already holds the checkpoints of a run: choose another run.name"));
  const TensorFile weights = with_bare_names(read_safetensors(given.file), given.origin);
  if (!given.allow_not_finite) require_finite(weights, config.train.precision == "fp64" ? at::kDouble : at::kFloat, given.origin);
  const SampleDataset data = open_source(config, config.data.train, "data.train");

  const std::unique_ptr<Communicator> self = make_self_communicator();
  CollectiveLog log;
  Learner learner(config, data.shape(), ReplicaPlan{}, DeviceChoice{}, *self, log);
  Checkpoint beginning;
  beginning.weights = weights;
  learner.begin_with(beginning, given.origin);
  // After the names, which say more about a file of another kind of model.
  require_same_network(weights, config, given.origin);
  TrainingState state;
  state.seed = config.run.seed;
  state.replicas = config.distributed.replicas.value_or(0);
  state.world_size = 1;
  state.dataset_fingerprint = data.fingerprint();
  state.begun_from = given.origin;
  const std::string network = text("a decoder that ends in ", resolved_output(config), ", images in [", config.data.range[0], ", ", config.data.range[1], "]");
  return {write_beginning(config, learner, std::move(state)), network};
}

}  // namespace vae_dist
