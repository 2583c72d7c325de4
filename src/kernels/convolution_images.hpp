// The images and weights of a convolution as plain pointers, for the ways of our own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/convolution.hpp"

namespace vae_dist::kernels {

/// Images with the channels of a pixel beside each other: [batch, height, width, channels].
template <typename T>
struct ImagesOf {
  T* data;
  std::int64_t batch, height, width, channels;

  std::int64_t positions() const { return batch * height * width; }
  T* pixel(std::int64_t sample, std::int64_t row, std::int64_t column) const {
    return data + ((sample * height + row) * width + column) * channels;
  }
};
using Images = ImagesOf<const float>;
using MutableImages = ImagesOf<float>;

/// Returns the pixels of a tensor [B, C, H, W], which must be channels_last and fp32.
Images images_of(const at::Tensor& tensor);
MutableImages mutable_images_of(const at::Tensor& tensor);

/// A kernel's weights, one for each pair of channels and each tap: the first axis of LibTorch's
/// layout is that of the small image's channels, for both kinds of convolutions, and the second
/// that of the large image's.
template <typename T>
struct WeightsOf {
  T* data;
  std::int64_t small, large, kernel;  ///< channels, and taps per axis
  std::int64_t small_stride, large_stride, row_stride, column_stride;  ///< in values
};
using Weights = WeightsOf<const float>;
using MutableWeights = WeightsOf<float>;

Weights weights_of(const at::Tensor& weight);
MutableWeights mutable_weights_of(const at::Tensor& weight);

/// Each way of our own has these three functions. All write every value of their result.

/// small = bias + the convolution of `large`. bias: [small.channels], or null.
using ConvolveDown = void(const Images& large, const Weights& weights,
                          const ConvolutionGeometry& geometry, const float* bias,
                          const MutableImages& small);
/// large = bias + the transposed convolution of `small`. bias: [large.channels], or null.
using ConvolveUp = void(const Images& small, const Weights& weights,
                        const ConvolutionGeometry& geometry, const float* bias,
                        const MutableImages& large);
/// gradient = the sums over all positions of the products of `small` and `large`, of which one is
/// an activation and the other the gradient of the other end.
using ConvolutionWeightGradient = void(const Images& small, const Images& large,
                                       const ConvolutionGeometry& geometry,
                                       const MutableWeights& gradient);

ConvolveDown direct_down, products_down;
ConvolveUp direct_up, products_up;
ConvolutionWeightGradient direct_weight_gradient, products_weight_gradient;

}  // namespace vae_dist::kernels
