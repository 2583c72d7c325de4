// Errors of reconstructions by channel. Values are float64, [B, C, M]: M values of each sample and
// channel. NaN in `target` says that a value is missing; it does not count.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::evaluate {

/// Returns the sum of squared errors over samples and values: [C].
at::Tensor squared_error_sums(const at::Tensor& target, const at::Tensor& reconstruction);

/// Returns how many values of `target` there are: [C].
at::Tensor observed_values(const at::Tensor& target);

/// What is added to a variance before it divides, as The Well does.
inline constexpr double kVarianceFloor = 1e-7;

/// Returns The Well's VRMSE of every sample and channel (Ohana et al. 2024, "The Well", appendix on
/// metrics): sqrt(mean of (target - reconstruction)^2 / (variance of target + kVarianceFloor)),
/// both over the M values: [B, C]. A reconstruction by the sample's mean has 1. NaN where a sample
/// has no value.
at::Tensor vrmse(const at::Tensor& target, const at::Tensor& reconstruction);

}  // namespace vae_dist::evaluate
