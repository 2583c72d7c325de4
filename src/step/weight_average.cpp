#include "step/weight_average.hpp"

#include <ATen/ATen.h>

namespace vae_dist::step {

WeightAverage::WeightAverage(const parallel::ParameterArena& parameters, double decay)
    : parameters_(parameters), decay_(decay), average_(parameters.make_matching_arena()) {
  reset_to_weights();
}

void WeightAverage::reset_to_weights() {
  const at::NoGradGuard no_grad;
  at::Tensor average = average_.flat();
  average.copy_(parameters_.values());
}

void WeightAverage::update(const at::Tensor& step_count, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  const at::Tensor share = 1 - ((1 + step_count) / (10 + step_count)).clamp_max(decay_);
  at::Tensor average = average_.flat();
  average.add_((share * (1 - skip)).to(average.scalar_type()) * (parameters_.values() - average));
}

void WeightAverage::swap_with_weights() {
  const at::NoGradGuard no_grad;
  at::Tensor average = average_.flat(), weights = parameters_.values();
  const at::Tensor kept = weights.clone();
  weights.copy_(average);
  average.copy_(kept);
}

}  // namespace vae_dist::step
