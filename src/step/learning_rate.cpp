#include "step/learning_rate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vae_dist::step {

LearningRatePlan learning_rate_plan(const config::TrainConfig& train, std::int64_t steps_per_epoch, std::int64_t steps_planned) {
  double base = train.optimizer.learning_rate;
  if (train.learning_rate_batch) base *= static_cast<double>(train.global_batch) / static_cast<double>(*train.learning_rate_batch);
  return {train.schedule, base, steps_per_epoch, steps_planned};
}

double learning_rate(const LearningRatePlan& plan, std::int64_t step) {
  const config::ScheduleConfig& s = plan.schedule;
  if (step < s.warmup_steps) return plan.base * static_cast<double>(step + 1) / static_cast<double>(s.warmup_steps);

  const std::int64_t count = s.per == "step" ? step : step / plan.steps_per_epoch;
  if (s.name == "exponential") return plan.base * std::pow(s.gamma, static_cast<double>(count));
  if (s.name == "step") {
    const auto passed = std::count_if(s.milestones.begin(), s.milestones.end(), [&](std::int64_t milestone) { return count >= milestone; });
    return plan.base * std::pow(s.gamma, static_cast<double>(passed));
  }
  if (s.name == "cosine") {
    const auto span = static_cast<double>(std::max<std::int64_t>(1, plan.steps_planned - s.warmup_steps - 1));
    const double done = std::min(1.0, static_cast<double>(step - s.warmup_steps) / span);
    return s.final_learning_rate + (plan.base - s.final_learning_rate) * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
  return plan.base;
}

}  // namespace vae_dist::step
