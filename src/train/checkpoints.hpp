// The checkpoints that a run writes as it goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_writer.hpp"
#include "train/loop_parts.hpp"

namespace vae_dist::train {

class Checkpoints {
 public:
  /// `parts` outlives this. `first_step`: the run's directory has the checkpoint that it goes on
  /// from, or begins with.
  Checkpoints(const LoopParts& parts, std::int64_t first_step);

  /// Takes a snapshot of the learner, which rank 0 writes while training goes on. Throws
  /// AgreedError, and nothing is saved, where ranks have diverged. A collective.
  void save(const checkpoint::TrainingState& state);

  /// The weights that were saved last have been evaluated, with this state.
  void evaluated(const checkpoint::TrainingState& state);

  bool has_saved(std::int64_t step) const { return last_saved_step_ == step; }

  /// Waits for what is being written.
  void wait() { writer_.wait(); }

  /// Tells the recorder what has been written since it was last called.
  void report();

  /// Rank 0: why the last checkpoint was not written; empty: it was.
  const std::string& last_failure() const { return last_failure_; }

 private:
  std::vector<std::filesystem::path> best_of(const checkpoint::TrainingState& state) const;

  const LoopParts& parts_;
  checkpoint::CheckpointWriter writer_;
  std::int64_t last_saved_step_;
  std::string last_failure_;
};

}  // namespace vae_dist::train
