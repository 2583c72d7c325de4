#include "train/trained/weights_import.hpp"

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "config/load_config.hpp"
#include "train/batches/open_data.hpp"
#include "train/run/run_beginning.hpp"
#include "train/run/run_directory.hpp"
#include "train/step/learner.hpp"

namespace vae_dist {

std::filesystem::path import_weights(const std::filesystem::path& file, const std::string& origin, const std::string& config_file, const std::vector<std::string>& overrides) {
  const Config config = load_config(config_file, overrides);
  const RunDirectory directory(config.run);
  if (!find_checkpoints(directory.checkpoints()).empty())
    throw BadInput(text(directory.path(), " already holds the checkpoints of a run: choose another run.name"));
  const TensorFile weights = read_safetensors(file);
  const ImageDataset data = open_source(config, config.data.train, "data.train");

  const std::unique_ptr<Communicator> self = make_self_communicator();
  CollectiveLog log;
  Learner learner(config, data.shape(), ReplicaPlan{}, DeviceChoice{}, *self, log);
  Checkpoint beginning;
  beginning.weights = weights;
  learner.begin_with(beginning, origin);
  TrainingState state;
  state.seed = config.run.seed;
  state.replicas = config.distributed.replicas.value_or(0);
  state.world_size = 1;
  state.dataset_fingerprint = data.fingerprint();
  state.begun_from = origin;
  return write_beginning(config, learner, std::move(state));
}

}  // namespace vae_dist
