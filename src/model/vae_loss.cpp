#include "model/vae_loss.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace vae_dist {

at::Tensor kl_divergence(const at::Tensor& mu, const at::Tensor& log_var) {
  return (-0.5 * (1 + log_var - mu.square() - log_var.exp()).sum(1)).mean();
}

at::Tensor gaussian_reconstruction(const at::Tensor& reconstruction, const at::Tensor& input, const LossOptions& options) {
  if (options.reduction == Reduction::mean) return at::mse_loss(reconstruction, input);
  const double variance = options.sigma * options.sigma;
  const double batch = static_cast<double>(input.size(0));
  const double values = static_cast<double>(input.numel()) / batch;
  const at::Tensor squared_error = at::mse_loss(reconstruction, input, at::Reduction::Sum) / batch;
  return squared_error / (2 * variance) + values / 2 * std::log(2 * std::numbers::pi * variance);
}

VaeLoss vae_loss(const at::Tensor& reconstruction, const at::Tensor& input, const at::Tensor& mu, const at::Tensor& log_var, double kld_factor,
                 const LossOptions& options) {
  VaeLoss out;
  out.reconstruction = gaussian_reconstruction(reconstruction, input, options);
  out.kld = kl_divergence(mu, log_var);
  out.loss = out.reconstruction + kld_factor * out.kld;
  return out;
}

}  // namespace vae_dist
