#include "train/last_step.hpp"

#include <filesystem>

#include "config/load_config.hpp"
#include "run/run_directory.hpp"
#include "train/step_metrics.hpp"

namespace vae_dist::train {
namespace {

// The optimizer counts its steps in a float.
constexpr std::int64_t kLastExactCount = std::int64_t{1} << 24;

}  // namespace

void set_step(checkpoint::TrainingState& state, std::int64_t step, std::int64_t steps_per_epoch,
              std::int64_t global_batch) {
  state.step = step;
  state.epoch = step / steps_per_epoch;
  state.position = step % steps_per_epoch * global_batch;
}

void set_counts(checkpoint::TrainingState& state, const checkpoint::TrainingState& start,
                std::int64_t counted_at_start, std::int64_t counted) {
  const std::int64_t steps = state.step - start.step;
  // Beyond its last exact count the optimizer cannot tell, and skipped steps are rare.
  const std::int64_t taken = counted >= kLastExactCount ? steps : counted - counted_at_start;
  state.optimizer_step = start.optimizer_step + taken;
  state.skipped_steps = start.skipped_steps + steps - taken;
}

LastStep::LastStep(const LoopParts& parts, step::StepRunner& runner, const LoopSchedule& schedule,
                   const checkpoint::TrainingState& start)
    : parts_(parts),
      runner_(runner),
      schedule_(schedule),
      start_(start),
      counted_at_start_(parts.learner.counted_steps()),
      noted_(start),
      evaluated_step_(start.awaits_evaluation ? -1 : start.step) {}

void LastStep::note_evaluated(const checkpoint::TrainingState& state) {
  const std::lock_guard lock(mutex_);
  noted_ = state;
  evaluated_step_ = state.step;
}

std::optional<checkpoint::Checkpoint> LastStep::checkpoint(base::Seconds limit) {
  std::optional<step::Learner::LastState> last = parts_.learner.last_state(limit);
  if (!last) return std::nullopt;
  checkpoint::TrainingState state = state_after(*last);
  return checkpoint::Checkpoint{std::move(last->weights), std::move(last->optimizer),
                                std::move(state),         config::kept_config_yaml(parts_.config),
                                /*after_failure=*/true,   log_lines(last->step)};
}

checkpoint::TrainingState LastStep::state_after(const step::Learner::LastState& last) {
  const std::lock_guard lock(mutex_);
  checkpoint::TrainingState state = noted_;
  set_step(state, last.step, schedule_.steps_per_epoch, parts_.plan.global_batch);
  set_counts(state, start_, counted_at_start_, last.counted_steps);
  state.world_size = parts_.plan.world_size;
  state.awaits_evaluation =
      schedule_.evaluates_after(last.step) && evaluated_step_ != last.step ? 1 : 0;
  // The best checkpoint may not have been written when the failure came. Without it, a later one is
  // the best.
  std::error_code ignored;
  const std::filesystem::path checkpoints = run::RunDirectory(parts_.config.run).checkpoints();
  if (state.best_step >= 0 && state.best_step != state.step &&
      !std::filesystem::exists(checkpoint::checkpoint_directory(checkpoints, state.best_step),
                               ignored)) {
    state.best_step = -1;
    state.best_validation.reset();
  }
  return state;
}

std::string LastStep::log_lines(std::int64_t last_step) const {
  std::string lines;
  for (const step::DoneStep& done : runner_.latest())
    if (done.step <= last_step) lines += parts_.recorder.line(metrics_of(done, parts_));
  return lines;
}

}  // namespace vae_dist::train
