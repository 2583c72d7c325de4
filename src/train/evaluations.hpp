// Evaluates a run on the validation rows, or on the first training rows if there are none. Logs
// each evaluation, checks it for collapse, and tracks the best checkpoint and early stopping.
#pragma once

#include <optional>

#include "checkpoint/training_state.hpp"
#include "run/run_summary.hpp"
#include "train/loop_parts.hpp"

namespace vae_dist::train {

class Evaluations {
 public:
  /// `parts` must outlive this object. `start` is the state that the run continues from.
  Evaluations(const LoopParts& parts, const checkpoint::TrainingState& start);

  /// Evaluates the learner's weights (the averaged ones if they exist) after `state.step` steps and
  /// updates the state. Returns whether they are the best so far and a checkpoint of them must be
  /// kept. Throws Failure with a remedy if memory runs out. A collective.
  bool evaluate(checkpoint::TrainingState& state);

  /// Returns whether the weights after `step` steps have been evaluated.
  bool has_evaluated(std::int64_t step) const { return evaluated_step_ == step; }

  /// Returns the best of all evaluations on the validation rows. Evaluations before a resume count
  /// only if checkpoint.keep_best recorded them.
  std::optional<run::ValidationResult> best_validation() const { return best_validation_; }

 private:
  const LoopParts& parts_;
  std::int64_t evaluated_step_ = -1;
  std::optional<double> mean_image_mse_;
  std::optional<run::ValidationResult> best_validation_;
};

}  // namespace vae_dist::train
