// Fuses batch normalisation and the LeakyReLU behind it on the CPU, forward and backward.
//
// Both are memory-bound. As separate operations they pass over the activations 14 times per step,
// fused only 8 times.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::normalisation {

/// Returns whether the kernel supports these tensors: on the CPU, x: [B, C, H, W] channels_last in
/// fp64, fp32 or bf16; weight: [C] in fp64 if x is fp64, else in fp32.
bool has_batch_norm_kernel(const at::Tensor& x, const at::Tensor& weight);

struct BatchNormOutput {
  at::Tensor y;                  ///< same shape and type as x
  at::Tensor mean, variance;     ///< [C], of the batch; the variance is unbiased
  at::Tensor inverse_deviation;  ///< [C], 1 / sqrt(biased variance + epsilon)
};

/// Computes y = LeakyReLU(weight * (x - mean) / sqrt(variance + epsilon) + bias). A negative_slope
/// of 0 gives the ReLU, 1 no activation. Throws std::invalid_argument if there is no kernel for the
/// tensors. The order of summation does not depend on the number of threads.
BatchNormOutput batch_norm_leaky_relu(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& bias, double epsilon,
                                      double negative_slope);

struct BatchNormGradients {
  at::Tensor x, weight, bias;
};

/// Returns the gradients for dy: [B, C, H, W], of x's type. The other arguments are the inputs and
/// outputs of the forward pass.
BatchNormGradients batch_norm_leaky_relu_backward(const at::Tensor& dy, const at::Tensor& x,
                                                  const at::Tensor& weight, const at::Tensor& bias,
                                                  const at::Tensor& mean,
                                                  const at::Tensor& inverse_deviation,
                                                  double negative_slope);

}  // namespace vae_dist::normalisation
