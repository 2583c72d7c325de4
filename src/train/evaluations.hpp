// The evaluations of a run: on the validation rows, or on the first training rows where there are
// none. They are logged, looked at for collapse, and counted for the best checkpoint and for
// stopping early.
#pragma once

#include <optional>

#include "checkpoint/training_state.hpp"
#include "run/run_summary.hpp"
#include "train/loop_parts.hpp"

namespace vae_dist::train {

class Evaluations {
 public:
  /// `parts` outlives this. `start`: where the run goes on from.
  Evaluations(const LoopParts& parts, const checkpoint::TrainingState& start);

  /// Evaluates the learner's weights (averaged ones where there are such) after `state.step` steps
  /// and takes what follows from it into the state. Returns whether they are the best so far, of
  /// which a checkpoint is to be kept. Throws Failure that says what would help where memory runs
  /// out. A collective.
  bool evaluate(checkpoint::TrainingState& state);

  /// The weights after so many steps have been evaluated.
  bool has_evaluated(std::int64_t step) const { return evaluated_step_ == step; }

  /// Over all evaluations on the validation rows; those of before a resume count where
  /// checkpoint.keep_best noted them.
  std::optional<run::ValidationResult> best_validation() const { return best_validation_; }

 private:
  const LoopParts& parts_;
  std::int64_t evaluated_step_ = -1;
  std::optional<double> mean_image_mse_;
  std::optional<run::ValidationResult> best_validation_;
};

}  // namespace vae_dist::train
