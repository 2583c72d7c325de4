// Schedules of the learning rate, beta and the capacity C, as pure functions of the step.
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace vae_dist::step {

struct LearningRatePlan {
  config::ScheduleConfig schedule;
  double base = 0.001;  ///< after scaling by learning_rate_batch
  std::int64_t steps_per_epoch = 1;
  std::int64_t steps_planned = 1;

  std::int64_t epochs_planned() const {
    return (steps_planned + steps_per_epoch - 1) / steps_per_epoch;
  }
};

/// Returns the plan of a run. If learning_rate_batch is set, base = learning_rate * G /
/// learning_rate_batch (the linear scaling rule: Goyal et al. 2017).
LearningRatePlan learning_rate_plan(const config::TrainConfig& train, std::int64_t steps_per_epoch,
                                    std::int64_t steps_planned);

/// Returns the learning rate of a step. It rises linearly to the base over warmup_steps; then
///   constant     base
///   exponential  base * gamma^n, n epochs or steps since the start (PyTorch's ExponentialLR)
///   cosine       from base to final_learning_rate at the last step (Loshchilov, Hutter 2017, eq.
///                5, without restarts)
///   step         base * gamma^(milestones passed), in epochs or steps (PyTorch's MultiStepLR)
double learning_rate(const LearningRatePlan& plan, std::int64_t step);

/// Returns beta of a step by `objective.beta`:
///   constant  value
///   linear    from `from` to `to` over `steps` steps, then `to` (as in Bowman et al. 2016)
///   cyclical  the same rise over the first `ratio` of every `period_steps` steps, then `to` until
///             the period ends (Fu et al. 2019, eq. 6)
double beta_of_step(const config::BetaConfig& beta, std::int64_t step);

/// Returns the beta that the schedule ends with, whether a run gets that far or not: `to`, or the
/// constant value.
double final_beta(const config::BetaConfig& beta);

/// Returns the largest beta that the schedule reaches.
double largest_beta(const config::BetaConfig& beta);

/// Returns C in nats: from 0 to `max_nats` over `steps` steps (Burgess et al. 2018, section 5); 0
/// without a capacity.
double capacity_of_step(const config::CapacityConfig& capacity, std::int64_t step);

/// Returns the C that the schedule ends with, in nats: `max_nats`; 0 without a capacity.
double final_capacity(const config::CapacityConfig& capacity);

}  // namespace vae_dist::step
