#include "evaluate/channel_errors.hpp"

#include <ATen/ATen.h>

namespace vae_dist::evaluate {
namespace {

// Returns the squared errors, 0 for missing values.
at::Tensor squared_errors(const at::Tensor& target, const at::Tensor& reconstruction) {
  return (reconstruction - target).square().masked_fill(target.isnan(), 0);
}

}  // namespace

at::Tensor squared_error_sums(const at::Tensor& target, const at::Tensor& reconstruction) {
  return squared_errors(target, reconstruction).sum(at::IntArrayRef{0, 2});
}

at::Tensor observed_values(const at::Tensor& target) {
  return target.isnan().logical_not().sum(at::IntArrayRef{0, 2}).to(at::kDouble);
}

at::Tensor vrmse(const at::Tensor& target, const at::Tensor& reconstruction) {
  const at::Tensor values = target.isnan().logical_not().sum(2);
  const at::Tensor mse = squared_errors(target, reconstruction).sum(2) / values;
  const at::Tensor variance = (target - target.nanmean(std::vector<std::int64_t>{2}, true))
                                  .square()
                                  .nanmean(std::vector<std::int64_t>{2});
  return (mse / (variance + kVarianceFloor)).sqrt();
}

}  // namespace vae_dist::evaluate
