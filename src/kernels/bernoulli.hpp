// The negative logarithm of a Bernoulli likelihood and its gradient, in one pass over a sample.
// LibTorch's operations make five, and take an exponential and a logarithm for each value in
// the first and another exponential in the backward pass.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::kernels {

/// Returns whether the kernel can compute this: on a CPU, in fp32 or fp64, logits and x of one
/// shape and memory format, in which the values of a sample lie together.
bool has_bernoulli_kernel(const at::Tensor& logits, const at::Tensor& x);

struct BernoulliTerms {
  at::Tensor negative_log;  ///< [B]: summed over a sample's values, in nats
  at::Tensor gradient;      ///< of a sample's negative logarithm with respect to its logits; in the
                            ///< memory format of the logits, or undefined
};

/// -log p(x | logits) = max(l, 0) - l x + log(1 + exp(-|l|)), summed over the values of a sample.
/// `logits`, `x`: [B, ...]. Sums of up to 512 values are made in the type of the arrays, all others
/// in fp64; bits do not depend on the number of threads. Throws std::invalid_argument if
/// has_bernoulli_kernel() is false.
BernoulliTerms bernoulli(const at::Tensor& logits, const at::Tensor& x, bool with_gradient);

}  // namespace vae_dist::kernels
