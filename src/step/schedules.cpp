#include "step/schedules.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vae_dist::step {

LearningRatePlan learning_rate_plan(const config::TrainConfig& train, std::int64_t steps_per_epoch,
                                    std::int64_t steps_planned) {
  double base = train.optimizer.learning_rate;
  if (train.learning_rate_batch)
    base *=
        static_cast<double>(train.global_batch) / static_cast<double>(*train.learning_rate_batch);
  return {train.schedule, base, steps_per_epoch, steps_planned};
}

double learning_rate(const LearningRatePlan& plan, std::int64_t step) {
  const config::ScheduleConfig& s = plan.schedule;
  if (step < s.warmup_steps)
    return plan.base * static_cast<double>(step + 1) / static_cast<double>(s.warmup_steps);

  const std::int64_t count =
      s.per == config::ScheduleUnit::step ? step : step / plan.steps_per_epoch;
  switch (s.name) {
    case config::RateSchedule::constant:
      break;
    case config::RateSchedule::exponential:
      return plan.base * std::pow(s.gamma, static_cast<double>(count));
    case config::RateSchedule::step: {
      const auto passed = std::count_if(s.milestones.begin(), s.milestones.end(),
                                        [&](std::int64_t milestone) { return count >= milestone; });
      return plan.base * std::pow(s.gamma, static_cast<double>(passed));
    }
    case config::RateSchedule::cosine: {
      const auto span =
          static_cast<double>(std::max<std::int64_t>(1, plan.steps_planned - s.warmup_steps - 1));
      const double done = std::min(1.0, static_cast<double>(step - s.warmup_steps) / span);
      return s.final_learning_rate +
             (plan.base - s.final_learning_rate) * (1 + std::cos(std::numbers::pi * done)) / 2;
    }
  }
  return plan.base;
}

namespace {

double rising(double from, double to, double share) {
  return from + (to - from) * std::min(1.0, share);
}

}  // namespace

double beta_of_step(const config::BetaConfig& beta, std::int64_t step) {
  switch (beta.schedule) {
    case config::BetaSchedule::constant:
      break;
    case config::BetaSchedule::linear:
      return rising(beta.from, beta.to,
                    static_cast<double>(step) / static_cast<double>(*beta.steps));
    case config::BetaSchedule::cyclical: {
      const double place =
          static_cast<double>(step % *beta.period_steps) / static_cast<double>(*beta.period_steps);
      return rising(beta.from, beta.to, place / beta.ratio);
    }
  }
  return beta.value;
}

double final_beta(const config::BetaConfig& beta) {
  return beta.schedule == config::BetaSchedule::constant ? beta.value : beta.to;
}

double largest_beta(const config::BetaConfig& beta) {
  return beta.schedule == config::BetaSchedule::constant ? beta.value
                                                         : std::max(beta.from, beta.to);
}

double capacity_of_step(const config::CapacityConfig& capacity, std::int64_t step) {
  if (!capacity.gamma) return 0;
  return rising(0, *capacity.max_nats,
                static_cast<double>(step) / static_cast<double>(*capacity.steps));
}

double final_capacity(const config::CapacityConfig& capacity) {
  return capacity.gamma ? *capacity.max_nats : 0;
}

}  // namespace vae_dist::step
