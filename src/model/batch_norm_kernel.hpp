// Batch normalisation and the LeakyReLU behind it in one pass over memory each way, on the CPU.
//
// Both are bound by memory: as separate operations they go through the activations 14 times a step,
// together 8 times.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::model {

/// Whether the kernel takes them: on the CPU, x: [B, C, H, W] channels_last in fp64, fp32 or bf16,
/// weight: [C] in fp64 for an x in fp64, else in fp32.
bool has_batch_norm_kernel(const at::Tensor& x, const at::Tensor& weight);

struct BatchNormOutput {
  at::Tensor y;                  ///< as x
  at::Tensor mean, variance;     ///< [C], of the batch; the variance unbiased
  at::Tensor inverse_deviation;  ///< [C], 1 / sqrt(biased variance + epsilon)
};

/// y = LeakyReLU(weight * (x - mean) / sqrt(variance + epsilon) + bias), with negative_slope 0 the
/// ReLU and 1 no activation, of what has a kernel. Sums are made in the same order with any number
/// of threads.
BatchNormOutput batch_norm_leaky_relu(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& bias, double epsilon,
                                      double negative_slope);

struct BatchNormGradients {
  at::Tensor x, weight, bias;
};

/// The gradients for dy: [B, C, H, W], of x's type. The rest as it went in and came out of the
/// forward pass.
BatchNormGradients batch_norm_leaky_relu_backward(const at::Tensor& dy, const at::Tensor& x,
                                                  const at::Tensor& weight, const at::Tensor& bias,
                                                  const at::Tensor& mean,
                                                  const at::Tensor& inverse_deviation,
                                                  double negative_slope);

}  // namespace vae_dist::model
