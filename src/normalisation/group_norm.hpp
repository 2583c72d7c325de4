// Fuses group normalisation (Wu, He 2018) and the activation behind it on the CPU, forward and
// backward.
//
// As separate operations they pass over the activations 12 times per step, with LibTorch's kernels
// at a small part of the memory's speed in channels_last. Here a thread takes one sample after the
// other, so that the second pass over a sample finds it in the cache.
#pragma once

#include <ATen/core/Tensor.h>

#include <variant>

#include "normalisation/normalisation_loops.hpp"

namespace vae_dist::normalisation {

/// Returns whether the kernel supports these tensors: on the CPU, x: [B, C, H, W] channels_last in
/// fp64, fp32 or bf16; weight and bias: [C] in fp64 if x is fp64, else in fp32; `groups` divides C.
bool has_group_norm_kernel(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           std::int64_t groups);

using GroupNormActivation = std::variant<Rectifier, Silu>;

struct GroupNormOutput {
  at::Tensor y;                        ///< same shape and type as x
  at::Tensor mean, inverse_deviation;  ///< [B, groups], of weight's type: the statistics and
                                       ///< 1 / sqrt(biased variance + epsilon)
};

/// Computes y = activation(weight * (x - mean) / sqrt(variance + epsilon) + bias), where mean and
/// variance are those of a sample's group of channels. Throws std::invalid_argument if there is no
/// kernel for the tensors. The order of summation does not depend on the number of threads.
GroupNormOutput group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                           const at::Tensor& bias, double epsilon, GroupNormActivation activation);

struct GroupNormGradients {
  at::Tensor x, weight, bias;
};

/// Returns the gradients for dy: [B, C, H, W], of x's type. The other arguments are the inputs and
/// outputs of the forward pass.
GroupNormGradients group_norm_backward(const at::Tensor& dy, const at::Tensor& x,
                                       const at::Tensor& weight, const at::Tensor& bias,
                                       const at::Tensor& mean, const at::Tensor& inverse_deviation,
                                       GroupNormActivation activation);

}  // namespace vae_dist::normalisation
