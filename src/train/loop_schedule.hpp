// Decides what a run does between steps: evaluate, draw pictures, save. Pure: depends on counts
// alone.
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "step/agreed_flags.hpp"
#include "step/schedules.hpp"

namespace vae_dist::train {

struct LoopSchedule {
  std::int64_t steps_planned = 0, steps_per_epoch = 1;
  std::int64_t evaluate_every_epochs = 0;   ///< on the validation rows; 0: not by epochs
  std::int64_t evaluate_every_steps = 0;    ///< besides; 0: not by steps
  std::int64_t pictures_every_epochs = 0;   ///< 0: not by epochs
  std::int64_t pictures_every_steps = 0;    ///< besides; 0: not by steps
  std::int64_t checkpoint_every_steps = 0;  ///< 0: only on request and after the last step
  bool has_validation = false;

  /// Returns whether to evaluate the weights after `step` steps. Always true after the last step,
  /// even if only training rows are available.
  bool evaluates_after(std::int64_t step) const;

  /// Returns whether to draw pictures after `step` steps. Pictures after the last step are drawn in
  /// addition if draws_pictures().
  bool draws_after(std::int64_t step) const;
  bool draws_pictures() const { return pictures_every_epochs > 0 || pictures_every_steps > 0; }

  /// Returns whether to save a checkpoint. `agreed` combines the requests of all ranks. A request
  /// to stop includes a checkpoint.
  bool saves_after(std::int64_t step, const step::StepRequests& agreed) const;
};

LoopSchedule loop_schedule(const config::Config& config, const step::LearningRatePlan& rates,
                           bool has_validation);

}  // namespace vae_dist::train
