// The images and weights of a convolution as plain pointers, for the ways of our own.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>

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

/// Returns the pixels of a tensor [B, C, H, W] of T, which must be channels_last.
template <typename T>
ImagesOf<const T> images_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), tensor.size(0), tensor.size(2), tensor.size(3),
          tensor.size(1)};
}
template <typename T>
ImagesOf<T> mutable_images_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<T>(), tensor.size(0), tensor.size(2), tensor.size(3),
          tensor.size(1)};
}

/// A kernel's weights, one for each pair of channels and each tap: the first axis of LibTorch's
/// layout is that of the small image's channels, for both kinds of convolutions, and the second
/// that of the large image's.
template <typename T>
struct WeightsOf {
  T* data;
  std::int64_t small, large, kernel;  ///< channels, and taps per axis
  std::int64_t small_stride, large_stride, row_stride, column_stride;  ///< in values
};

template <typename T>
WeightsOf<const T> weights_of(const at::Tensor& weight) {
  return {weight.const_data_ptr<T>(), weight.size(0),   weight.size(1),   weight.size(2),
          weight.stride(0),           weight.stride(1), weight.stride(2), weight.stride(3)};
}
template <typename T>
WeightsOf<T> mutable_weights_of(const at::Tensor& weight) {
  return {weight.mutable_data_ptr<T>(),
          weight.size(0),
          weight.size(1),
          weight.size(2),
          weight.stride(0),
          weight.stride(1),
          weight.stride(2),
          weight.stride(3)};
}

/// Each way of our own has these three functions, for values of fp32 and, where it serves them, of
/// bfloat16 (T), whose sums are fp32 and rounded once. All write every value of their result.

/// small = bias + the convolution of `large`. bias: [small.channels], or null.
template <typename T>
using ConvolveDown = void(const ImagesOf<const T>& large, const WeightsOf<const T>& weights,
                          const ConvolutionGeometry& geometry, const T* bias,
                          const ImagesOf<T>& small);
/// large = bias + the transposed convolution of `small`. bias: [large.channels], or null.
template <typename T>
using ConvolveUp = void(const ImagesOf<const T>& small, const WeightsOf<const T>& weights,
                        const ConvolutionGeometry& geometry, const T* bias,
                        const ImagesOf<T>& large);
/// gradient = the sums over all positions of the products of `small` and `large`, of which one is
/// an activation and the other the gradient of the other end.
template <typename T>
using ConvolutionWeightGradient = void(const ImagesOf<const T>& small,
                                       const ImagesOf<const T>& large,
                                       const ConvolutionGeometry& geometry,
                                       const WeightsOf<T>& gradient);

ConvolveDown<float> direct_down, products_down;
ConvolveUp<float> direct_up, products_up;
ConvolutionWeightGradient<float> direct_weight_gradient, products_weight_gradient;

/// By pairs of bfloat16 where the CPU multiplies them; else each pixel is made fp32 when its
/// sample's turn comes, and the bits are those of fp32, rounded.
ConvolveDown<c10::BFloat16> direct_down;
ConvolveUp<c10::BFloat16> direct_up;
ConvolutionWeightGradient<c10::BFloat16> direct_weight_gradient;

}  // namespace vae_dist::kernels
