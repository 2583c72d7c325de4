// What a run does after which step, besides the next one. Pure: a function of counts alone.
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "step/agreed_flags.hpp"
#include "step/schedules.hpp"

namespace vae_dist::train {

struct LoopSchedule {
  std::int64_t steps_planned = 0, steps_per_epoch = 1;
  std::int64_t evaluate_every_epochs = 0;   ///< on the validation rows; 0: only after the last step
  std::int64_t pictures_every_epochs = 0;   ///< 0: never
  std::int64_t checkpoint_every_steps = 0;  ///< 0: only when asked for, and after the last step
  bool has_validation = false;

  bool ends_epoch(std::int64_t step) const { return step % steps_per_epoch == 0; }

  /// Whether an evaluation belongs to the weights after `step` steps: after the last one always, if
  /// only on training rows.
  bool evaluates_after(std::int64_t step) const;

  /// Of the pictures at the ends of epochs; those after the last step come besides.
  bool draws_after(std::int64_t step) const;

  /// `agreed`: what any rank wished. A stop is one for a checkpoint, too.
  bool saves_after(std::int64_t step, const step::Wishes& agreed) const;
};

LoopSchedule loop_schedule(const config::Config& config, const step::LearningRatePlan& rates,
                           bool has_validation);

}  // namespace vae_dist::train
