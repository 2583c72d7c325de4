// A convolution with made-up images, for trying ways to compute it before a run.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "kernels/convolution.hpp"

namespace vae_dist::kernels {

/// The signature of convolution().
using Convolve =
    std::function<at::Tensor(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const ConvolutionGeometry& geometry, const ConvolutionWays& ways)>;

class TrialConvolution {
 public:
  /// Draws images, weights and a gradient of the output from a normal distribution, the same for
  /// every object of this shape and type.
  TrialConvolution(const ConvolutionShape& shape, at::ScalarType type);

  /// Prepares one direction, for which `convolve` is given `way`. Each call of the result computes
  /// it: an output or a gradient.
  std::function<at::Tensor()> prepared(ConvolutionDirection direction, ConvolutionWay way,
                                       const Convolve& convolve = convolution) const;

 private:
  ConvolutionShape shape_;
  at::Tensor x_, weight_, dy_;
};

/// Returns the shape with fewer samples, but at least one.
ConvolutionShape with_part_of_the_batch(ConvolutionShape shape, double part);

}  // namespace vae_dist::kernels
