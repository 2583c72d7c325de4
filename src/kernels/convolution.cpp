#include "kernels/convolution.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>
#include <tuple>

#include "kernels/convolution_images.hpp"

namespace vae_dist::kernels {

namespace {

template <typename T>
ImagesOf<T> as_images(T* data, const at::Tensor& tensor) {
  return {data, tensor.size(0), tensor.size(2), tensor.size(3), tensor.size(1)};
}

template <typename T>
WeightsOf<T> as_weights(T* data, const at::Tensor& weight) {
  return {data,
          weight.size(0),
          weight.size(1),
          weight.size(2),
          weight.stride(0),
          weight.stride(1),
          weight.stride(2),
          weight.stride(3)};
}

at::Tensor in_channels_last(const at::Tensor& images) {
  return images.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

Images images_of(const at::Tensor& tensor) {
  return as_images(tensor.const_data_ptr<float>(), tensor);
}
MutableImages mutable_images_of(const at::Tensor& tensor) {
  return as_images(tensor.mutable_data_ptr<float>(), tensor);
}
Weights weights_of(const at::Tensor& weight) {
  return as_weights(weight.const_data_ptr<float>(), weight);
}
MutableWeights mutable_weights_of(const at::Tensor& weight) {
  return as_weights(weight.mutable_data_ptr<float>(), weight);
}

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Arguments {
  std::vector<std::int64_t> stride, padding, dilation = {1, 1}, output_padding;

  explicit Arguments(const ConvolutionGeometry& geometry)
      : stride(2, geometry.stride),
        padding(2, geometry.padding),
        output_padding(geometry.output_padding.begin(), geometry.output_padding.end()) {}
};

at::Tensor of_torch(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const ConvolutionGeometry& geometry) {
  const Arguments with(geometry);
  const std::optional<at::Tensor> added = bias.defined() ? std::optional(bias) : std::nullopt;
  return geometry.transposed ? at::conv_transpose2d(x, weight, added, with.stride, with.padding,
                                                    with.output_padding)
                             : at::conv2d(x, weight, added, with.stride, with.padding);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_of_torch(
    const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
    const ConvolutionGeometry& geometry, std::array<bool, 3> wanted) {
  const Arguments with(geometry);
  const std::vector<std::int64_t> bias_sizes = {dy.size(1)};
  return at::convolution_backward(dy, x, weight, at::OptionalIntArrayRef(bias_sizes), with.stride,
                                  with.padding, with.dilation, geometry.transposed,
                                  with.output_padding, 1, wanted);
}

struct OwnWay {
  ConvolveDown* down;
  ConvolveUp* up;
  ConvolutionWeightGradient* weight_gradient;
};

OwnWay own_way(ConvolutionWay way) {
  switch (way) {
    case ConvolutionWay::products:
      return {products_down, products_up, products_weight_gradient};
    case ConvolutionWay::direct:
      return {direct_down, direct_up, direct_weight_gradient};
    case ConvolutionWay::onednn:
      break;
  }
  throw std::logic_error("LibTorch's convolution is not one of ours");
}

// While this object lives, profilers see one convolution, and not the matrix products it may
// consist of.
class Recorded {
 public:
  Recorded() : function_(at::RecordScope::FUNCTION) {
    if (function_.isActive()) function_.before("vae_dist::convolution");
  }

 private:
  at::RecordFunction function_;
  at::DisableRecordFunctionGuard within_;
};

// Sums over all positions: [channels] of [B, channels, H, W] in channels_last.
at::Tensor sums_of_channels(const at::Tensor& dy) {
  return dy.permute({0, 2, 3, 1}).reshape({-1, dy.size(1)}).sum(0);
}

// The products of three ways, as one operation for autograd.
class ConvolutionInWays : public torch::autograd::Function<ConvolutionInWays> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& added,
                            const ConvolutionGeometry& geometry, const ConvolutionWays& ways) {
    const at::Tensor bias = added ? added->contiguous() : at::Tensor();
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.defined();
    context->saved_data["transposed"] = geometry.transposed;
    context->saved_data["numbers"] =
        std::vector<std::int64_t>{geometry.stride,
                                  geometry.padding,
                                  geometry.output_padding[0],
                                  geometry.output_padding[1],
                                  static_cast<std::int64_t>(ways.input_gradient),
                                  static_cast<std::int64_t>(ways.weight_gradient)};
    if (ways.forward == ConvolutionWay::onednn) return of_torch(x, weight, bias, geometry);

    const ConvolutionShape shape = shape_of(x, weight, geometry);
    const Recorded recorded;
    const at::Tensor images = in_channels_last(x);
    at::Tensor y =
        at::empty({shape.batch, shape.out_channels, shape.out_height(), shape.out_width()},
                  x.options().memory_format(at::MemoryFormat::ChannelsLast));
    (geometry.transposed ? own_way(ways.forward).up : own_way(ways.forward).down)(
        images_of(images), weights_of(weight), geometry,
        bias.defined() ? bias.const_data_ptr<float>() : nullptr, mutable_images_of(y));
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const std::vector<std::int64_t> numbers = context->saved_data["numbers"].toIntVector();
    const ConvolutionGeometry geometry{context->saved_data["transposed"].toBool(),
                                       numbers[0],
                                       numbers[1],
                                       {numbers[2], numbers[3]}};
    const auto for_x = static_cast<ConvolutionWay>(numbers[4]),
               for_weight = static_cast<ConvolutionWay>(numbers[5]);
    const std::array<bool, 3> wanted = {
        context->needs_input_grad(0), context->needs_input_grad(1),
        context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)};
    // One for each argument of forward(); the geometry and the ways have none.
    variable_list out(5);
    const at::Tensor& dy = gradients[0];
    if (!dy.defined()) return out;
    // Second derivatives are LibTorch's.
    const bool all_of_torch = at::GradMode::is_enabled();
    const std::array<bool, 3> of_torch = {
        wanted[0] && (all_of_torch || for_x == ConvolutionWay::onednn),
        wanted[1] && (all_of_torch || for_weight == ConvolutionWay::onednn),
        wanted[2] && (all_of_torch || for_weight == ConvolutionWay::onednn)};
    if (of_torch[0] || of_torch[1] || of_torch[2])
      std::tie(out[0], out[1], out[2]) = backward_of_torch(dy, x, weight, geometry, of_torch);

    const ConvolutionShape shape = shape_of(x, weight, geometry);
    const at::Tensor images = in_channels_last(x), dy_images = in_channels_last(dy);
    if (wanted[0] && !of_torch[0]) {
      const Recorded recorded;
      out[0] = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
      (geometry.transposed ? own_way(for_x).down : own_way(for_x).up)(
          images_of(dy_images), weights_of(weight), geometry, nullptr, mutable_images_of(out[0]));
    }
    if (wanted[1] && !of_torch[1]) {
      const Recorded recorded;
      out[1] = at::empty_like(weight);
      own_way(for_weight)
          .weight_gradient(images_of(geometry.transposed ? images : dy_images),
                           images_of(geometry.transposed ? dy_images : images), geometry,
                           mutable_weights_of(out[1]));
    }
    if (wanted[2] && !of_torch[2]) out[2] = sums_of_channels(dy_images);
    return out;
  }
};

}  // namespace

bool can_serve(ConvolutionWay way, ConvolutionDirection, const ConvolutionShape& shape,
               at::ScalarType type) {
  if (way == ConvolutionWay::onednn) return true;
  return type == at::kFloat && shape.batch > 0 && shape.in_channels > 0 && shape.out_channels > 0 &&
         shape.out_height() > 0 && shape.out_width() > 0;
}

bool has_ways(const at::Tensor& x, const at::Tensor& weight) {
  // Here the ways of convolutions in bfloat16 would begin: under autocast, or with tensors that
  // have been rounded already.
  const auto is_channels_last = [](const at::Tensor& tensor) {
    return tensor.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  };
  return x.is_cpu() && weight.is_cpu() && x.scalar_type() == at::kFloat &&
         weight.scalar_type() == at::kFloat && x.dim() == 4 && weight.dim() == 4 &&
         weight.size(2) == weight.size(3) && !at::autocast::is_autocast_enabled(at::kCPU) &&
         (is_channels_last(x) || is_channels_last(weight));
}

ConvolutionShape shape_of(const at::Tensor& x, const at::Tensor& weight,
                          const ConvolutionGeometry& geometry) {
  ConvolutionShape shape;
  shape.geometry = geometry;
  shape.kernel = weight.size(2);
  shape.batch = x.size(0);
  shape.in_channels = x.size(1);
  shape.out_channels = weight.size(geometry.transposed ? 1 : 0);
  shape.in_height = x.size(2);
  shape.in_width = x.size(3);
  return shape;
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       const ConvolutionGeometry& geometry, const ConvolutionWays& ways) {
  if (!has_ways(x, weight)) return of_torch(x, weight, bias, geometry);
  const ConvolutionShape shape = shape_of(x, weight, geometry);
  // LibTorch refuses channels that do not fit, in words that people know.
  if (weight.size(geometry.transposed ? 0 : 1) != shape.in_channels)
    return of_torch(x, weight, bias, geometry);
  ConvolutionWays served = ways;
  for (const ConvolutionDirection direction : kConvolutionDirections)
    if (!can_serve(ways.of(direction), direction, shape, x.scalar_type()))
      served.of(direction) = ConvolutionWay::onednn;
  const bool learns = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() ||
                                                     (bias.defined() && bias.requires_grad()));
  if (served == ConvolutionWays{} || (!learns && served.forward == ConvolutionWay::onednn))
    return of_torch(x, weight, bias, geometry);
  return ConvolutionInWays::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt,
                                  geometry, served);
}

}  // namespace vae_dist::kernels
