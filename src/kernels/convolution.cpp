#include "kernels/convolution.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <vector>

#include "kernels/convolution_images.hpp"
#include "kernels/instruction_set.hpp"
#include "kernels/rounded_products.hpp"

namespace vae_dist::kernels {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor in_channels_last(const at::Tensor& images) {
  return images.contiguous(at::MemoryFormat::ChannelsLast);
}

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

// Of a backward pass.
struct Operands {
  at::Tensor dy, x, weight;
};

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_of_torch(
    const Operands& of, const ConvolutionGeometry& geometry, std::array<bool, 3> wanted) {
  const Arguments with(geometry);
  const std::vector<std::int64_t> bias_sizes = {of.dy.size(1)};
  return at::convolution_backward(of.dy, of.x, of.weight, at::OptionalIntArrayRef(bias_sizes),
                                  with.stride, with.padding, with.dilation, geometry.transposed,
                                  with.output_padding, 1, wanted);
}

template <typename T>
struct OwnWay {
  ConvolveDown<T>* down;
  ConvolveUp<T>* up;
  ConvolutionWeightGradient<T>* weight_gradient;
};

template <typename T>
OwnWay<T> own_way(ConvolutionWay way) {
  if constexpr (std::is_same_v<T, float>)
    if (way == ConvolutionWay::products)
      return {products_down, products_up, products_weight_gradient};
  if (way == ConvolutionWay::direct) return {direct_down, direct_up, direct_weight_gradient};
  throw std::logic_error(word(way) + " has no convolution of our own in this type");
}

// Whether the tensors of a product are made fp32, as a whole and outside autocast, before it.
// Loops of our own read bfloat16 themselves.
bool widens(const at::Tensor& x, ConvolutionWay way) {
  return x.scalar_type() == at::kBFloat16 && way != ConvolutionWay::direct &&
         !multiplies_bfloat16();
}

at::Tensor widened(const at::Tensor& operand) {
  return operand.defined() ? operand.to(at::kFloat) : operand;
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

// Sums over all positions: fp32 [channels] of [B, channels, H, W].
at::Tensor sums_of_channels(const at::Tensor& dy) {
  return in_channels_last(dy).permute({0, 2, 3, 1}).reshape({-1, dy.size(1)}).to(at::kFloat).sum(0);
}

// Calls work(value) with a value of the tensors' type.
template <typename Work>
void in_type_of(const at::Tensor& x, const Work& work) {
  if (x.scalar_type() == at::kBFloat16)
    work(c10::BFloat16());
  else
    work(float());
}

at::Tensor output(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const ConvolutionGeometry& geometry, ConvolutionWay way) {
  if (way == ConvolutionWay::onednn) return of_torch(x, weight, bias, geometry);
  const ConvolutionShape shape = shape_of(x, weight, geometry);
  const Recorded recorded;
  const at::Tensor images = in_channels_last(x);
  at::Tensor y = at::empty({shape.batch, shape.out_channels, shape.out_height(), shape.out_width()},
                           x.options().memory_format(at::MemoryFormat::ChannelsLast));
  in_type_of(x, [&]<typename T>(T) {
    (geometry.transposed ? own_way<T>(way).up : own_way<T>(way).down)(
        images_of<T>(images), weights_of<T>(weight), geometry,
        bias.defined() ? bias.const_data_ptr<T>() : nullptr, mutable_images_of<T>(y));
  });
  return y;
}

at::Tensor gradient_of_input(const Operands& of, const ConvolutionGeometry& geometry,
                             ConvolutionWay way) {
  const Recorded recorded;
  const at::Tensor dy = in_channels_last(of.dy);
  at::Tensor dx =
      at::empty(of.x.sizes(), of.x.options().memory_format(at::MemoryFormat::ChannelsLast));
  in_type_of(of.x, [&]<typename T>(T) {
    (geometry.transposed ? own_way<T>(way).down : own_way<T>(way).up)(
        images_of<T>(dy), weights_of<T>(of.weight), geometry, nullptr, mutable_images_of<T>(dx));
  });
  return dx;
}

at::Tensor gradient_of_weight(const Operands& of, const ConvolutionGeometry& geometry,
                              ConvolutionWay way) {
  const Recorded recorded;
  const at::Tensor dy = in_channels_last(of.dy), x = in_channels_last(of.x);
  at::Tensor gradient = at::empty_like(of.weight);
  in_type_of(of.x, [&]<typename T>(T) {
    own_way<T>(way).weight_gradient(images_of<T>(geometry.transposed ? x : dy),
                                    images_of<T>(geometry.transposed ? dy : x), geometry,
                                    mutable_weights_of<T>(gradient));
  });
  return gradient;
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
    const at::ScalarType type = x.scalar_type();
    if (widens(x, ways.forward)) {
      const c10::impl::ExcludeDispatchKeyGuard without_autocast(c10::DispatchKey::AutocastCPU);
      return output(widened(x), widened(weight), widened(bias), geometry, ways.forward).to(type);
    }
    return output(x, weight, bias, geometry, ways.forward);
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
    const auto is_of_torch = [&](ConvolutionWay way) {
      return all_of_torch || way == ConvolutionWay::onednn;
    };
    const std::array<bool, 3> of_torch = {wanted[0] && is_of_torch(for_x),
                                          wanted[1] && is_of_torch(for_weight),
                                          wanted[2] && is_of_torch(for_weight)};
    std::optional<Operands> wide;  // of all that is made fp32 as a whole
    const auto operands_for = [&](ConvolutionWay way) {
      if (!widens(x, way)) return Operands{dy, x, weight};
      if (!wide) wide = Operands{widened(dy), widened(x), widened(weight)};
      return *wide;
    };
    if (of_torch[0] || of_torch[1] || of_torch[2])
      std::tie(out[0], out[1], out[2]) =
          backward_of_torch(operands_for(ConvolutionWay::onednn), geometry, of_torch);
    if (wanted[0] && !of_torch[0]) out[0] = gradient_of_input(operands_for(for_x), geometry, for_x);
    if (wanted[1] && !of_torch[1])
      out[1] = gradient_of_weight(operands_for(for_weight), geometry, for_weight);
    if (wanted[2] && !of_torch[2]) out[2] = sums_of_channels(dy);
    for (at::Tensor& gradient : out)
      if (gradient.defined()) gradient = gradient.to(x.scalar_type());
    return out;
  }
};

// Rounds what autocast would round, with its cache of weights.
at::Tensor rounded_by_autocast(const at::Tensor& operand) {
  return operand.defined() && operand.scalar_type() == at::kFloat
             ? at::autocast::cached_cast(at::kBFloat16, operand, c10::DeviceType::CPU)
             : operand;
}

}  // namespace

bool can_serve(ConvolutionWay way, ConvolutionDirection, const ConvolutionShape& shape,
               at::ScalarType type) {
  if (way == ConvolutionWay::onednn) return true;
  const Bfloat16Products products = bfloat16_products();
  const bool in_type = type == at::kFloat ||
                       (type == at::kBFloat16 &&
                        (way == ConvolutionWay::direct ? products != Bfloat16Products::other
                                                       : products == Bfloat16Products::rounded));
  return in_type && shape.batch > 0 && shape.in_channels > 0 && shape.out_channels > 0 &&
         shape.out_height() > 0 && shape.out_width() > 0;
}

at::ScalarType computed_type(const at::Tensor& x, const at::Tensor& weight) {
  const auto is_reduced = [](const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16;
  };
  if (is_reduced(x) && is_reduced(weight) && at::autocast::is_autocast_enabled(at::kCPU))
    return at::autocast::get_autocast_dtype(at::kCPU);
  return x.scalar_type() == weight.scalar_type() ? x.scalar_type() : at::ScalarType::Undefined;
}

bool has_ways(const at::Tensor& x, const at::Tensor& weight) {
  const auto is_channels_last = [](const at::Tensor& tensor) {
    return tensor.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  };
  if (!x.is_cpu() || !weight.is_cpu() || x.dim() != 4 || weight.dim() != 4) return false;
  const at::ScalarType type = computed_type(x, weight);
  return (type == at::kFloat || type == at::kBFloat16) && weight.size(2) == weight.size(3) &&
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
  const at::ScalarType type = computed_type(x, weight);
  ConvolutionWays served = ways;
  for (const ConvolutionDirection direction : kConvolutionDirections)
    if (!can_serve(ways.of(direction), direction, shape, type))
      served.of(direction) = ConvolutionWay::onednn;
  const bool learns = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() ||
                                                     (bias.defined() && bias.requires_grad()));
  if (served == ConvolutionWays{} || (!learns && served.forward == ConvolutionWay::onednn)) {
    if (type == at::kBFloat16 && !multiplies_bfloat16())
      return rounded_product(
          x, weight, bias,
          [&](const at::Tensor& images, const at::Tensor& kernel, const at::Tensor& added) {
            return of_torch(images, kernel, added, geometry);
          });
    return of_torch(x, weight, bias, geometry);
  }
  const auto operand = [&](const at::Tensor& tensor) {
    return type == at::kBFloat16 ? rounded_by_autocast(tensor) : tensor;
  };
  return ConvolutionInWays::apply(
      operand(x), operand(weight),
      bias.defined() ? std::optional<at::Tensor>(operand(bias)) : std::nullopt, geometry, served);
}

}  // namespace vae_dist::kernels
