// Compares our ways to compute a run's convolutions with LibTorch's, before they are used.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/convolution_choice.hpp"
#include "kernels/trial_convolution.hpp"

namespace vae_dist::kernels {

/// A product whose result differs from LibTorch's by more than rounding.
struct DifferingWay {
  ConvolutionShape shape;
  ConvolutionDirection direction;
  double error = 0;  ///< largest difference over the largest value; NaN if there is a NaN
};

/// Computes each product of `ways` that is not LibTorch's both ways, on made-up images, and returns
/// those that differ. Depends on no clock. Batches are cut where all products together have more
/// than some hundred billion operations.
std::vector<DifferingWay> differing_ways(const ConvolutionChoice::ByShape& ways,
                                         at::ScalarType type,
                                         const Convolve& convolve = convolution);

}  // namespace vae_dist::kernels
