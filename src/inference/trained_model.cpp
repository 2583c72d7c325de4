#include "inference/trained_model.hpp"

#include "base/error.hpp"
#include "config/load_config.hpp"
#include "inference/named_checkpoint.hpp"
#include "inference/network_files.hpp"
#include "step/make_model.hpp"
#include "step/weights.hpp"

namespace vae_dist::inference {
namespace {

// Replaces the weights that training continues from by their moving averages.
void use_averages(checkpoint::Checkpoint& checkpoint) {
  for (auto& [name, tensor] : checkpoint.weights.tensors) {
    const auto average = checkpoint.optimizer.tensors.find(step::kAveragePrefix + name);
    if (average != checkpoint.optimizer.tensors.end()) tensor = average->second;
  }
}

}  // namespace

CheckpointAt read_checkpoint_at(const std::string& named) {
  const std::filesystem::path location = named_checkpoint(named);
  if (std::filesystem::exists(location / "manifest.json"))
    return {checkpoint::read_checkpoint(location), location};
  const std::filesystem::path root = location / "checkpoints";
  if (auto newest = checkpoint::read_newest_checkpoint(root)) {
    const std::filesystem::path origin = checkpoint::checkpoint_directory(root, newest->state.step);
    return {std::move(*newest), origin};
  }
  throw base::BadInput(base::text(location,
                                  " is neither a checkpoint (a directory with manifest.json) nor a "
                                  "run directory with checkpoints in it"));
}

std::shared_ptr<const data::Normaliser> normaliser_of(const TrainedModel& trained) {
  if (trained.state.normalisation.empty()) return nullptr;
  return std::make_shared<data::Normaliser>(data::Normalisation::parse(trained.state.normalisation),
                                            trained.shape.space.size() + 2, c10::kCPU, at::kFloat);
}

conditions::Conditions conditions_of(const TrainedModel& trained) {
  try {
    return conditions::Conditions::parse(trained.state.conditions);
  } catch (const std::invalid_argument& error) {
    throw base::BadInput(base::text(trained.origin.string(),
                                    ": the conditions of the run cannot be read: ", error.what()));
  }
}

TrainedModel load_trained_model(const std::string& location) {
  CheckpointAt found = read_checkpoint_at(location);
  TrainedModel out;
  out.origin = found.origin;
  out.config = config::parse_kept_config(found.checkpoint.config_yaml,
                                         (found.origin / "config.yaml").string())
                   .config;
  out.shape = step::sample_shape_of(found.checkpoint.weights,
                                    (found.origin / "weights.safetensors").string());
  if (out.config.train.ema_decay) use_averages(found.checkpoint);
  out.state = found.checkpoint.state;
  use_kept_network_files(out.config, found.origin, out.state.kept_files);
  out.model = step::make_model(out.config, out.shape, conditions_of(out).values());
  step::restore_weights(*out.model, found.checkpoint.weights, found.origin.string());
  out.model->eval();
  out.weights = std::move(found.checkpoint.weights);
  return out;
}

}  // namespace vae_dist::inference
