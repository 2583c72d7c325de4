#include "model/convolution.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

#include "model/layer_product.hpp"

namespace vae_dist::model {

ConvolutionLayer::ConvolutionLayer(ConvolutionOptions options, bool transposed)
    : options_(std::move(options)), transposed_(transposed) {
  if (options_.dimensions < 1 || options_.dimensions > 3)
    throw std::invalid_argument("a convolution has one, two or three space dimensions");
  options_.output_padding.resize(options_.dimensions, 0);
  std::vector<std::int64_t> sizes = {options_.out_channels, options_.in_channels};
  if (transposed) std::swap(sizes[0], sizes[1]);
  sizes.insert(sizes.end(), options_.dimensions, options_.kernel);
  weight = register_parameter("weight", at::empty(sizes));
  const double bound = 1.0 / std::sqrt(static_cast<double>(weight[0].numel()));
  const at::NoGradGuard no_grad;
  weight.uniform_(-bound, bound);
  if (!options_.bias) return;
  bias = register_parameter("bias", at::empty({options_.out_channels}));
  bias.uniform_(-bound, bound);
}

at::Tensor ConvolutionLayer::of_torch(const at::Tensor& x, const at::Tensor& kernel,
                                      const at::Tensor& added) const {
  const std::optional<at::Tensor> bias_or_none =
      added.defined() ? std::optional(added) : std::nullopt;
  const std::vector<std::int64_t> stride(options_.dimensions, options_.stride),
      padding(options_.dimensions, options_.padding);
  const bool line = options_.dimensions == 1;
  if (!transposed_)
    return line ? at::conv1d(x, kernel, bias_or_none, stride, padding)
                : at::conv3d(x, kernel, bias_or_none, stride, padding);
  return line ? at::conv_transpose1d(x, kernel, bias_or_none, stride, padding,
                                     options_.output_padding)
              : at::conv_transpose3d(x, kernel, bias_or_none, stride, padding,
                                     options_.output_padding);
}

at::Tensor ConvolutionLayer::convolved(const at::Tensor& x, const at::Tensor& added) const {
  const LayerCall::Kind kind =
      transposed_ ? LayerCall::Kind::transposed_convolution : LayerCall::Kind::convolution;
  if (options_.dimensions != 2)
    return layer_product(kind, x, weight, added,
                         [&](const at::Tensor& in, const at::Tensor& kernel,
                             const at::Tensor& shift) { return of_torch(in, kernel, shift); });
  const kernels::ConvolutionGeometry geometry = {
      .transposed = transposed_,
      .stride = options_.stride,
      .padding = options_.padding,
      .output_padding = {options_.output_padding[0], options_.output_padding[1]}};
  // Where there are ways, they know how bfloat16 is computed.
  if (kernels::has_ways(x, weight)) {
    const kernels::ConvolutionWays ways = kernels::ways_or_table(
        choice_.get(), kernels::shape_of(x, weight, geometry), kernels::computed_type(x, weight));
    const at::Tensor output = kernels::convolution(x, weight, added, geometry, ways);
    note_call(kind, x, weight, output);
    return output;
  }
  return layer_product(
      kind, x, weight, added,
      [&](const at::Tensor& images, const at::Tensor& kernel, const at::Tensor& shift) {
        return kernels::convolution(images, kernel, shift, geometry, {});
      });
}

Convolution conv3(std::int64_t in, std::int64_t out, std::size_t dimensions) {
  return Convolution(ConvolutionOptions{
      .in_channels = in, .out_channels = out, .kernel = 3, .padding = 1, .dimensions = dimensions});
}

Convolution conv1(std::int64_t in, std::int64_t out, std::size_t dimensions) {
  return Convolution(ConvolutionOptions{
      .in_channels = in, .out_channels = out, .kernel = 1, .dimensions = dimensions});
}

}  // namespace vae_dist::model
