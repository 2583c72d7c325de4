// Counts skipped steps: their loss or gradient was not finite or too large, so nothing was learned
// from them. A few are tolerated; too many in a row end the run.
#pragma once

#include "checkpoint/training_state.hpp"
#include "train/loop_parts.hpp"

namespace vae_dist::train {

class SkippedSteps {
 public:
  /// `parts` must outlive this object.
  explicit SkippedSteps(const LoopParts& parts) : parts_(parts) {}

  /// Counts a step in the state, equally on every rank. Throws AgreedError, naming the samples of
  /// the last step, after train.max_skipped_steps skipped steps in a row.
  void note(const metrics::StepMetrics& step, checkpoint::TrainingState& state);

 private:
  std::string samples_of_step(std::int64_t step) const;

  const LoopParts& parts_;
  std::int64_t in_a_row_ = 0;
};

}  // namespace vae_dist::train
