// A sum of inverse multiquadratic kernels, sum_s w_s / (w_s + distance), and its derivative in one
// pass over the distances. LibTorch's operations make nine for each width.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace vae_dist::kernels {

using KernelWidths = std::array<double, 7>;

/// Returns whether inverse_multiquadrics() can compute this: on a CPU, in fp32 or fp64.
bool has_inverse_multiquadric_kernel(const at::Tensor& distances);

struct KernelValues {
  at::Tensor values;
  at::Tensor slopes;  ///< d value / d distance
};

/// Of squared distances of any shape, element by element. Bits do not depend on the number of
/// threads. Throws std::invalid_argument if has_inverse_multiquadric_kernel() is false.
KernelValues inverse_multiquadrics(const at::Tensor& distances, const KernelWidths& widths);

}  // namespace vae_dist::kernels
