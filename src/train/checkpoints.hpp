// Writes the checkpoints of a run while it trains.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_writer.hpp"
#include "train/loop_parts.hpp"

namespace vae_dist::train {

class Checkpoints {
 public:
  /// `parts` must outlive this object. The checkpoint of `first_step` already exists in the run's
  /// directory if it is above 0.
  Checkpoints(const LoopParts& parts, std::int64_t first_step);

  /// Takes a snapshot of the learner, which rank 0 writes while training continues. Throws
  /// AgreedError and saves nothing if ranks have diverged. A collective.
  void save(const checkpoint::TrainingState& state);

  /// Updates the last checkpoint with `state` after its weights have been evaluated.
  void evaluated(const checkpoint::TrainingState& state);

  bool has_saved(std::int64_t step) const { return last_saved_step_ == step; }

  /// Waits for the checkpoint that is being written.
  void wait() { writer_.wait(); }

  /// Reports a checkpoint that was written since the last call to the recorder.
  void report();

  /// Returns on rank 0 why the last checkpoint was not written; empty if it was.
  const std::string& last_failure() const { return last_failure_; }

 private:
  std::vector<std::filesystem::path> best_of(const checkpoint::TrainingState& state) const;

  const LoopParts& parts_;
  checkpoint::CheckpointWriter writer_;
  std::int64_t last_saved_step_;
  std::string last_failure_;
};

}  // namespace vae_dist::train
