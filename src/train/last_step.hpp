// What a rank can still save when the run has failed: the state after the last step that was
// applied, as the checkpoint that the run would have written there.
#pragma once

#include <mutex>
#include <optional>

#include "checkpoint/checkpoint.hpp"
#include "train/loop_parts.hpp"
#include "train/loop_schedule.hpp"

namespace vae_dist::train {

class LastStep {
 public:
  /// `parts` and `runner` must outlive this object. `start`: the state that the run continues from.
  LastStep(const LoopParts& parts, step::StepRunner& runner, const LoopSchedule& schedule,
           const checkpoint::TrainingState& start);

  /// Notes what an evaluation has added to the state. Steps need not be noted.
  void note_evaluated(const checkpoint::TrainingState& state);

  /// Keeps the learner from further steps and returns what it has, marked as written after a
  /// failure. Waits for an update that has begun. Returns nothing if there is no consistent state
  /// within `limit`. Thread-safe; the main thread may hang anywhere. Its tensors are the learner's
  /// own on the CPU. Afterwards this process can only end.
  std::optional<checkpoint::Checkpoint> checkpoint(base::Seconds limit);

 private:
  checkpoint::TrainingState state_after(const step::Learner::LastState& last);
  std::string log_lines(std::int64_t last_step) const;

  const LoopParts& parts_;
  step::StepRunner& runner_;
  const LoopSchedule schedule_;
  const checkpoint::TrainingState start_;
  const std::int64_t counted_at_start_;
  std::mutex mutex_;
  checkpoint::TrainingState noted_;
  std::int64_t evaluated_step_;
};

/// The numbers of training state that follow from the number of steps alone.
void set_step(checkpoint::TrainingState& state, std::int64_t step, std::int64_t steps_per_epoch,
              std::int64_t global_batch);

/// Sets the step that a state was saved after, and how many of the steps since `start` were
/// skipped: those that the optimizer has not counted. Pure.
void set_counts(checkpoint::TrainingState& state, const checkpoint::TrainingState& start,
                std::int64_t counted_at_start, std::int64_t counted);

}  // namespace vae_dist::train
