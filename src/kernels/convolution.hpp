// Two-dimensional convolutions on a CPU, each of whose three products (forward, gradient of the
// input, gradient of the weights) is computed in a way of its own.
//
// A convolution of stride s maps a large image to a small one, a transposed one maps a small image
// to a large one; the gradient of the input goes the other way. So all that there is to compute are
// three products: down (large to small), up (small to large), and the weights' gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace vae_dist::kernels {

/// How a layer convolves. Kernels are square; there are neither groups nor dilation.
struct ConvolutionGeometry {
  bool transposed = false;
  std::int64_t stride = 1, padding = 0;
  std::array<std::int64_t, 2> output_padding = {0, 0};  ///< height, width; of a transposed one

  auto operator<=>(const ConvolutionGeometry&) const = default;
};

/// A convolution and the size of what it is applied to.
struct ConvolutionShape {
  ConvolutionGeometry geometry;
  std::int64_t kernel = 3;
  std::int64_t batch = 0, in_channels = 0, out_channels = 0, in_height = 0, in_width = 0;

  auto operator<=>(const ConvolutionShape&) const = default;

  std::int64_t out_height() const;
  std::int64_t out_width() const;

  /// Returns the floating-point operations of one of its three products, two for each pair of a
  /// weight and a position of the small image. Products with padding count.
  double operations() const;

  /// Returns such as "conv 32->64 k3 s2 p1, 64 x 32x32" (the batch, and the input's height and
  /// width) or "transposed 64->32 k3 s2 p1 o1x1, 64 x 16x16" (output padding).
  std::string text() const;

  /// The reverse of text(). Throws std::invalid_argument if there is no such shape.
  static ConvolutionShape parse(const std::string& text);
};

enum class ConvolutionWay {
  onednn,    ///< LibTorch's own operation, which oneDNN computes on most CPUs
  products,  ///< patches of the input, and one matrix product of LibTorch's
  direct,    ///< loops of our own
};

/// Returns "onednn", "products" or "direct".
std::string word(ConvolutionWay way);

/// The reverse of word(). Throws std::invalid_argument if there is no such way.
ConvolutionWay convolution_way(const std::string& word);

enum class ConvolutionDirection { forward, input_gradient, weight_gradient };
inline constexpr std::array kConvolutionDirections = {ConvolutionDirection::forward,
                                                      ConvolutionDirection::input_gradient,
                                                      ConvolutionDirection::weight_gradient};

/// Returns "forward", "input_gradient" or "weight_gradient".
std::string word(ConvolutionDirection direction);

/// The way of each direction.
struct ConvolutionWays {
  ConvolutionWay forward = ConvolutionWay::onednn, input_gradient = ConvolutionWay::onednn,
                 weight_gradient = ConvolutionWay::onednn;

  auto operator<=>(const ConvolutionWays&) const = default;

  ConvolutionWay& of(ConvolutionDirection direction);
  ConvolutionWay of(ConvolutionDirection direction) const;
};

/// Returns whether `way` computes this direction of the convolution on this CPU: in fp32 each does,
/// in bfloat16 `direct` where bfloat16_products() is not `other`, and `products` where it is
/// `rounded`.
bool can_serve(ConvolutionWay way, ConvolutionDirection direction, const ConvolutionShape& shape,
               at::ScalarType type);

/// Returns the type in which these tensors are convolved: their own, or autocast's; Undefined if
/// they have two.
at::ScalarType computed_type(const at::Tensor& x, const at::Tensor& weight);

/// Returns whether there is a choice of ways for these tensors: on the CPU, channels_last, and
/// computed in fp32 or bfloat16. For others convolution() calls LibTorch's operation, whatever the
/// ways.
bool has_ways(const at::Tensor& x, const at::Tensor& weight);

/// Returns the shape of the convolution of x: [B, in, H, W] with `weight`, of LibTorch's layout:
/// [out, in, k, k], transposed: [in, out, k, k].
ConvolutionShape shape_of(const at::Tensor& x, const at::Tensor& weight,
                          const ConvolutionGeometry& geometry);

/// Convolves x: [B, in, H, W] with `weight` (see shape_of()) and adds `bias`, [out] or undefined,
/// each product computed by its way. Knows its gradients. A direction that its way cannot serve is
/// LibTorch's. With ways {onednn, onednn, onednn} this is at::conv2d or at::conv_transpose2d, bit
/// for bit. Other ways give an output and an input's gradient in channels_last, equal to rounding;
/// the bits of `direct` do not depend on the number of threads.
///
/// In bfloat16, operands of fp32 are rounded as autocast does; an output and gradients are rounded
/// from sums of fp32. Where the CPU does not multiply bfloat16, the products are made in fp32
/// whatever the way (rounded_products.hpp), with the same bits as convolution() of rounded operands
/// in fp32 has, rounded.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       const ConvolutionGeometry& geometry, const ConvolutionWays& ways);

}  // namespace vae_dist::kernels
