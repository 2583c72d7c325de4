#include "model/residual_network.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/autocast.hpp"
#include "model/layer_product.hpp"
#include "normalisation/group_norm.hpp"

namespace vae_dist::model {
namespace {

using torch::nn::Conv2dOptions;

// Computes in the type of x, even where autocast would cast x.
template <typename Compute>
at::Tensor as_it_is(const at::Tensor& x, const Compute& compute) {
  AutocastState without = autocast_state(x.device().type());
  without.enabled = false;
  const AutocastAs same(x.device().type(), without);
  return compute();
}

// Normalises and activates in one CPU operation. SiLU is that activation whose `slope` is
// undefined.
struct FusedGroupNorm : torch::autograd::Function<FusedGroupNorm> {
  static normalisation::GroupNormActivation activation_of(const c10::IValue& slope) {
    if (slope.isNone()) return normalisation::Silu{};
    return normalisation::Rectifier{slope.toDouble()};
  }

  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, std::int64_t groups,
                            double epsilon, std::optional<double> slope) {
    ctx->saved_data["slope"] = slope;
    const normalisation::GroupNormOutput out = normalisation::group_norm(
        x, groups, weight, bias, epsilon, activation_of(ctx->saved_data["slope"]));
    ctx->save_for_backward({x, weight, bias, out.mean, out.inverse_deviation});
    return out.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = ctx->get_saved_variables();
    const normalisation::GroupNormGradients d =
        normalisation::group_norm_backward(outputs[0], saved[0], saved[1], saved[2], saved[3],
                                           saved[4], activation_of(ctx->saved_data["slope"]));
    return {d.x, d.weight, d.bias, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Convolution conv3x3(std::int64_t in, std::int64_t out) {
  return Convolution(Conv2dOptions(in, out, 3).padding(1));
}
Convolution conv1x1(std::int64_t in, std::int64_t out) {
  return Convolution(Conv2dOptions(in, out, 1));
}

at::Tensor GroupNormImpl::forward(const at::Tensor& x) {
  if (!ways_.fused || !normalisation::has_group_norm_kernel(x, weight, bias, options.num_groups()))
    return activate(normalise(x), activation_);
  const auto fused = [&](std::optional<double> slope) {
    return FusedGroupNorm::apply(x, weight, bias, options.num_groups(), options.eps(), slope);
  };
  if (activation_ == Activation::silu) return fused(std::nullopt);
  if (const std::optional<double> slope = negative_slope(activation_)) return fused(slope);
  return activate(fused(negative_slope(Activation::identity)), activation_);
}

at::Tensor GroupNormImpl::normalise(const at::Tensor& x) {
  if (ways_.in == NormaliseIn::fp32 || x.scalar_type() == weight.scalar_type())
    return torch::nn::GroupNormImpl::forward(x);
  // The CPU's kernel takes parameters in fp32 for images in bfloat16, the GPU's takes one type.
  const auto typed = [&](const at::Tensor& parameter) {
    return x.is_cpu() ? parameter : parameter.to(x.scalar_type());
  };
  return as_it_is(x, [&] {
    return at::group_norm(x, options.num_groups(), typed(weight), typed(bias), options.eps());
  });
}

GroupNorm group_norm(std::int64_t channels, GroupNormWays ways, Activation activation) {
  std::int64_t groups = std::min<std::int64_t>(32, channels);
  while (channels % groups != 0) --groups;
  return GroupNorm(torch::nn::GroupNormOptions(groups, channels), ways, activation);
}

ResidualBlockImpl::ResidualBlockImpl(std::int64_t in, std::int64_t out, Activation activation,
                                     GroupNormWays norms)
    : norm1_(register_module("norm1", group_norm(in, norms, activation))),
      norm2_(register_module("norm2", group_norm(out, norms, activation))),
      conv1_(register_module("conv1", conv3x3(in, out))),
      conv2_(register_module("conv2", conv3x3(out, out))) {
  if (in != out) shortcut_ = register_module("shortcut", conv1x1(in, out));
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor h = conv2_->forward(norm2_->forward(conv1_->forward(norm1_->forward(x))));
  return h + (shortcut_.is_empty() ? x : shortcut_->forward(x));
}

SpatialAttentionImpl::SpatialAttentionImpl(std::int64_t channels, GroupNormWays norms)
    : norm_(register_module("norm", group_norm(channels, norms))),
      qkv_(register_module("qkv", conv1x1(channels, 3 * channels))),
      projection_(register_module("projection", conv1x1(channels, channels))) {}

at::Tensor SpatialAttentionImpl::forward(const at::Tensor& x) {
  const auto sizes = x.sizes();
  // [B, 1 head, positions, channels]
  const auto rows = [&](const at::Tensor& part) {
    return part.flatten(2).transpose(1, 2).unsqueeze(1);
  };
  const auto parts = qkv_->forward(norm_->forward(x)).chunk(3, 1);
  const at::Tensor mixed =
      layer_product(LayerCall::Kind::attention, rows(parts[0]), rows(parts[1]), rows(parts[2]),
                    [](const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
                      return at::scaled_dot_product_attention(query, key, value);
                    });
  return x + projection_->forward(mixed.squeeze(1).transpose(1, 2).reshape(sizes));
}

UpsamplingImpl::UpsamplingImpl(std::int64_t channels, std::int64_t height, std::int64_t width)
    : size_{height, width}, conv_(register_module("conv", conv3x3(channels, channels))) {}

at::Tensor UpsamplingImpl::forward(const at::Tensor& x) {
  return conv_->forward(as_it_is(x, [&] { return at::upsample_nearest2d(x, size_); }));
}

}  // namespace vae_dist::model
