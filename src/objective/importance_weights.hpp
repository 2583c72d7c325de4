// Estimates of log p(x) from K draws of a proposal: log (1/K) sum_k w_k, w_k = p(x|z_k) p(z_k) /
// q(z_k|x) (Burda et al. 2016, "Importance Weighted Autoencoders", eq. 8). In expectation this is a
// lower bound that rises with K.
//
// Log-likelihoods are summed over pixels. Averaging them would make all weights nearly equal and
// reduce the estimate to the mean of the logarithms.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/latent_model.hpp"

namespace vae_dist::objective {

/// Returns log w_k = -negative_log + log p(z) - log q(z|x), [B, K], of the reparameterised draws
/// z = mu + exp(log_var/2) noise. posterior: of B samples; noise: [B, K, latent]; negative_log:
/// -log p(x|z), [B, K].
at::Tensor log_importance_weights(const model::Posterior& posterior, const at::Tensor& noise,
                                  const at::Tensor& negative_log);

/// Returns log (1/K) sum_k exp(log_weights[:, k]), [B].
at::Tensor log_mean_exp(const at::Tensor& log_weights);

/// Returns (sum w)^2 / sum w^2, [B], between 1 (one draw has all the weight) and K (Kong 1992).
at::Tensor effective_sample_size(const at::Tensor& log_weights);

/// Returns the numbers of draws at which a growing estimate is shown: 1, 4, 16, ... and `draws`.
std::vector<std::int64_t> growing_counts(std::int64_t draws);

}  // namespace vae_dist::objective
