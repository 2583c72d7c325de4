#include "objective/importance_weights.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace vae_dist::objective {

at::Tensor log_importance_weights(const model::Posterior& posterior, const at::Tensor& noise,
                                  const at::Tensor& negative_log) {
  const at::Tensor log_var = posterior.log_var.unsqueeze(1);
  const at::Tensor z = model::reparameterize({posterior.mu.unsqueeze(1), log_var}, noise);
  // log p(z) - log q(z|x): both densities have the factor (2 pi)^(-latent/2).
  const at::Tensor log_ratio = 0.5 * (noise.square() + log_var - z.square()).sum(2);
  return log_ratio - negative_log;
}

at::Tensor log_mean_exp(const at::Tensor& log_weights) {
  return at::logsumexp(log_weights, 1) - std::log(static_cast<double>(log_weights.size(1)));
}

at::Tensor effective_sample_size(const at::Tensor& log_weights) {
  return (2 * at::logsumexp(log_weights, 1) - at::logsumexp(2 * log_weights, 1)).exp();
}

std::vector<std::int64_t> growing_counts(std::int64_t draws) {
  std::vector<std::int64_t> counts;
  for (std::int64_t count = 1; count < draws; count *= 4) counts.push_back(count);
  counts.push_back(draws);
  return counts;
}

}  // namespace vae_dist::objective
