#include "train/fused_adam.hpp"

#include <ATen/ATen.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>

namespace vae_dist {

FusedAdam::FusedAdam(const ParameterArena& parameters, const OptimizerConfig& options)
    : parameters_(parameters),
      options_(options),
      first_moment_(parameters.make_companion()),
      second_moment_(parameters.make_companion()),
      step_count_(at::zeros({1}, parameters.values().options().dtype(at::kFloat))) {}

void FusedAdam::step(double learning_rate, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  step_count_.add_(1 - skip);
  const auto update = [&](auto&& fused) {
    fused(parameters_.values(), parameters_.gradients(), first_moment_.flat(), second_moment_.flat(), at::TensorList{}, step_count_, learning_rate,
          options_.betas[0], options_.betas[1], options_.weight_decay, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false, std::nullopt, skip);
  };
  if (options_.name == "adamw") {
    update([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
  } else {
    update([](auto&&... arguments) { at::_fused_adam_(arguments...); });
  }
}

}  // namespace vae_dist
