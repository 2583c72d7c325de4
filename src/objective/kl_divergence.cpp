#include "objective/kl_divergence.hpp"

#include <ATen/ATen.h>

namespace vae_dist::objective {

at::Tensor kl_per_dimension(const at::Tensor& mu, const at::Tensor& log_var) {
  return -0.5 * (1 + log_var - mu.square() - log_var.exp());
}

at::Tensor kl_divergence(const at::Tensor& mu, const at::Tensor& log_var) {
  return kl_per_dimension(mu, log_var).sum(1).mean();
}

at::Tensor kl_with_free_bits(const at::Tensor& kl_of_dimensions, double free_bits) {
  return kl_of_dimensions.clamp_min(free_bits).sum();
}

}  // namespace vae_dist::objective
