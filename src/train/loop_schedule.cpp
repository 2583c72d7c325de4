#include "train/loop_schedule.hpp"

namespace vae_dist::train {

namespace {

// Whether a count is a multiple of `every`, where 0 means never.
bool is_due(std::int64_t count, std::int64_t every) { return every > 0 && count % every == 0; }

bool epoch_is_due(const LoopSchedule& schedule, std::int64_t step, std::int64_t every_epochs) {
  return step % schedule.steps_per_epoch == 0 &&
         is_due(step / schedule.steps_per_epoch, every_epochs);
}

}  // namespace

bool LoopSchedule::evaluates_after(std::int64_t step) const {
  return step == steps_planned ||
         (has_validation &&
          (epoch_is_due(*this, step, evaluate_every_epochs) || is_due(step, evaluate_every_steps)));
}

bool LoopSchedule::draws_after(std::int64_t step) const {
  return epoch_is_due(*this, step, pictures_every_epochs) || is_due(step, pictures_every_steps);
}

bool LoopSchedule::saves_after(std::int64_t step, const step::StepRequests& agreed) const {
  return agreed.checkpoint || agreed.stop || is_due(step, checkpoint_every_steps);
}

LoopSchedule loop_schedule(const config::Config& config, const step::LearningRatePlan& rates,
                           bool has_validation) {
  return {.steps_planned = rates.steps_planned,
          .steps_per_epoch = rates.steps_per_epoch,
          .evaluate_every_epochs = config.evaluate.every_epochs,
          .evaluate_every_steps = config.evaluate.every_steps,
          .pictures_every_epochs = config.pictures.every_epochs,
          .pictures_every_steps = config.pictures.every_steps,
          .checkpoint_every_steps = config.checkpoint.every_steps,
          .has_validation = has_validation};
}

}  // namespace vae_dist::train
