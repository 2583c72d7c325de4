// The densities of codes under the posteriors of a whole batch, log q(z_i | x_j), and what is
// estimated from them: q(z_i) and q(z_id). Of G samples with L latent values LibTorch's operations
// would make some twenty passes over G * G * L numbers; these loops make two, one of them backward,
// and keep nothing of that size.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::kernels {

/// The arguments. On a CPU, in fp32 or fp64.
struct AggregateRequest {
  at::Tensor z;            ///< [B, L]: codes of the samples first .. first + B - 1
  at::Tensor mu, log_var;  ///< [G, L]: posteriors of all samples
  std::int64_t first = 0;
  double own_log_weight = 0;    ///< of a code's own posterior in the sums below
  double other_log_weight = 0;  ///< of all others
};

struct AggregateDensities {
  at::Tensor log_q_z;           ///< [B]: log sum_j w_ij prod_d q(z_id | x_j)
  at::Tensor log_q_dimensions;  ///< [B, L]: log sum_j w_ij q(z_id | x_j)
  at::Tensor log_q_own;         ///< [B]: log q(z_i | x_i)
  at::Tensor joint;             ///< [B, G]: log q(z_i | x_j) without its constant, for the gradient
};

/// Returns whether aggregate_densities() can compute this.
bool has_aggregate_kernel(const AggregateRequest& request);

/// Bits do not depend on the number of threads. Throws std::invalid_argument if
/// has_aggregate_kernel() is false.
AggregateDensities aggregate_densities(const AggregateRequest& request);

struct AggregateGradients {
  at::Tensor z;            ///< [B, L]
  at::Tensor mu, log_var;  ///< [G, L]
};

/// Returns the gradients of a scalar whose derivatives with respect to the densities are given, in
/// the shapes of AggregateDensities.
AggregateGradients aggregate_gradients(const AggregateRequest& request,
                                       const AggregateDensities& densities,
                                       const at::Tensor& of_log_q_z,
                                       const at::Tensor& of_log_q_dimensions,
                                       const at::Tensor& of_log_q_own);

}  // namespace vae_dist::kernels
