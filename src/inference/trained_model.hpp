// A model loaded from a checkpoint, ready for use: with the moving average of its weights, if the
// run kept one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "checkpoint/checkpoint.hpp"
#include "conditions/conditions.hpp"
#include "config/config.hpp"
#include "data/normalisation.hpp"
#include "data/sample_dataset.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::inference {

struct TrainedModel {
  config::Config config;  ///< of its run
  arrays::SampleShape shape;
  std::shared_ptr<model::LatentModel> model;  ///< in evaluation mode, on the CPU
  checkpoint::TrainingState state;
  checkpoint::TensorFile weights;
  std::filesystem::path origin;  ///< the checkpoint it came from
};

struct CheckpointAt {
  checkpoint::Checkpoint checkpoint;
  std::filesystem::path origin;  ///< its directory
};

/// Reads the checkpoint at `location`: a checkpoint directory, a run directory (its newest good
/// checkpoint), RUN@best or RUN@STEP. Throws BadInput if it is none of these, or corrupt.
CheckpointAt read_checkpoint_at(const std::string& named);

/// Returns the normalisation of the run's data, for tensors on the CPU; null if data.normalize is
/// scale.
std::shared_ptr<const data::Normaliser> normaliser_of(const TrainedModel& trained);

/// Returns what the model is told about each sample beside its values. Throws BadInput.
conditions::Conditions conditions_of(const TrainedModel& trained);

/// Loads the model of the checkpoint at `location`, as read_checkpoint_at() finds it. Throws
/// BadInput.
TrainedModel load_trained_model(const std::string& location);

}  // namespace vae_dist::inference
