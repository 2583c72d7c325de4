// Estimates of log p(x) from K draws of a proposal: log (1/K) sum_k w_k, w_k = p(x|z_k) p(z_k) /
// q(z_k|x) (Burda et al. 2016, "Importance Weighted Autoencoders", eq. 8). In expectation a lower
// bound that rises with K.
//
// Likelihoods are summed over pixels: averaged ones would make all weights nearly equal, and the
// estimate the mean of the logarithms.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/latent_model.hpp"

namespace vae_dist::objective {

/// log w_k of a reparameterised draw z = mu + exp(log_var/2) noise: -negative_log_likelihood + log
/// p(z) - log q(z|x): [B, K]. posterior: of B samples; noise: [B, K, latent]; negative_log: [B, K].
at::Tensor log_importance_weights(const model::Posterior& posterior, const at::Tensor& noise,
                                  const at::Tensor& negative_log);

/// log (1/K) sum_k exp(log_weights[:, k]): [B].
at::Tensor log_mean_exp(const at::Tensor& log_weights);

/// (sum w)^2 / sum w^2, between 1 (one draw has all the weight) and K: [B]. (Kong 1992.)
at::Tensor effective_sample_size(const at::Tensor& log_weights);

/// 1, 4, 16, ... and `draws` itself: at which numbers of draws an estimate is shown as it grows.
std::vector<std::int64_t> growing_counts(std::int64_t draws);

}  // namespace vae_dist::objective
