// The KL divergence of q(z|x) from the prior N(0, I), in closed form.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::objective {

/// Returns KL(q(z_j|x) || N(0, 1)) per sample and latent dimension, in nats: -0.5 * (1 + log_var -
/// mu^2 - exp(log_var)) (Kingma, Welling 2014, appendix B). mu, log_var, result: [B, latent].
at::Tensor kl_per_dimension(const at::Tensor& mu, const at::Tensor& log_var);

/// Returns KL(q(z|x) || N(0, I)) in nats, averaged over the batch: a scalar.
at::Tensor kl_divergence(const at::Tensor& mu, const at::Tensor& log_var);

/// Returns the sum over dimensions of max(KL_j, free_bits), a scalar. KL_j is a dimension's mean
/// over the batch ([latent], nats). Below `free_bits` a dimension has no gradient, so training does
/// not switch it off early (Kingma et al. 2016, "Improving Variational Inference with Inverse
/// Autoregressive Flow", eq. 15).
at::Tensor kl_with_free_bits(const at::Tensor& kl_of_dimensions, double free_bits);

}  // namespace vae_dist::objective
