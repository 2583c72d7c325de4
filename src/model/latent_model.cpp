#include "model/latent_model.hpp"

#include <ATen/ATen.h>

namespace vae_dist {

VaeOutput LatentModel::forward(const at::Tensor& x, const at::Tensor& noise) {
  const Posterior posterior = encode(x);
  return {likelihood().mean_image(decode(reparameterize(posterior, noise))), x, posterior.mu, posterior.log_var};
}

std::vector<BatchNorm2d> LatentModel::batch_norms() const {
  std::vector<BatchNorm2d> layers;
  for (const auto& module : modules(/*include_self=*/false))
    if (auto layer = std::dynamic_pointer_cast<BatchNorm2dImpl>(module)) layers.emplace_back(layer);
  return layers;
}

void LatentModel::finish(std::int64_t latent_values, const LikelihoodOptions& likelihood) {
  latent_values_ = latent_values;
  likelihood_ = std::make_shared<Likelihood>(likelihood);
  if (likelihood_->keeps_something()) register_module("likelihood", likelihood_);
}

at::Tensor reparameterize(const Posterior& posterior, const at::Tensor& noise) {
  return posterior.is_point() ? posterior.mu : posterior.mu + (posterior.log_var / 2).exp() * noise;
}

at::Tensor clamp_log_var(const at::Tensor& log_var) { return log_var.clamp(-30.0, 20.0); }

}  // namespace vae_dist
