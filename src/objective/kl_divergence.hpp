// How far q(z|x) is from the prior N(0, I), in closed form.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::objective {

/// KL(q(z_j|x) || N(0, 1)) of every sample and latent dimension, in nats: -0.5 * (1 + log_var -
/// mu^2 - exp(log_var)) (Kingma, Welling 2014, appendix B). mu, log_var, result: [B, latent].
at::Tensor kl_per_dimension(const at::Tensor& mu, const at::Tensor& log_var);

/// KL(q(z|x) || N(0, I)) summed over dimensions, mean over the batch, in nats: a scalar.
at::Tensor kl_divergence(const at::Tensor& mu, const at::Tensor& log_var);

/// The same from each dimension's mean over the batch ([latent], nats) where this counts as at
/// least `free_bits` nats (Kingma et al. 2016, "Improving Variational Inference with Inverse
/// Autoregressive Flow", eq. 15): below that a dimension costs nothing, so it is not given up early
/// in training. A scalar.
at::Tensor kl_with_free_bits(const at::Tensor& kl_of_dimensions, double free_bits);

}  // namespace vae_dist::objective
