#include "train/loop_schedule.hpp"

namespace vae_dist::train {

bool LoopSchedule::evaluates_after(std::int64_t step) const {
  return step == steps_planned ||
         (has_validation && evaluate_every_epochs > 0 && ends_epoch(step) &&
          step / steps_per_epoch % evaluate_every_epochs == 0);
}

bool LoopSchedule::draws_after(std::int64_t step) const {
  return pictures_every_epochs > 0 && ends_epoch(step) &&
         step / steps_per_epoch % pictures_every_epochs == 0;
}

bool LoopSchedule::saves_after(std::int64_t step, const step::StepRequests& agreed) const {
  return agreed.checkpoint || agreed.stop ||
         (checkpoint_every_steps > 0 && step % checkpoint_every_steps == 0);
}

LoopSchedule loop_schedule(const config::Config& config, const step::LearningRatePlan& rates,
                           bool has_validation) {
  return {rates.steps_planned,          rates.steps_per_epoch,         config.evaluate.every_epochs,
          config.pictures.every_epochs, config.checkpoint.every_steps, has_validation};
}

}  // namespace vae_dist::train
