#include "model/residual_network.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/autocast.hpp"
#include "model/layer_product.hpp"
#include "normalisation/group_norm.hpp"

namespace vae_dist::model {
namespace {

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

at::Tensor GroupNormImpl::forward(const at::Tensor& x) {
  const at::Tensor image = volume_as_image(x);
  if (!ways_.fused ||
      !normalisation::has_group_norm_kernel(image, weight, bias, options.num_groups()))
    return activate(normalise(x), activation_);
  const auto fused = [&](std::optional<double> slope) {
    const at::Tensor y =
        FusedGroupNorm::apply(image, weight, bias, options.num_groups(), options.eps(), slope);
    return image.is_same(x) ? y : y.view_as(x);
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
                                     GroupNormWays norms, std::size_t dimensions)
    : norm1_(register_module("norm1", group_norm(in, norms, activation))),
      norm2_(register_module("norm2", group_norm(out, norms, activation))),
      conv1_(register_module("conv1", conv3(in, out, dimensions))),
      conv2_(register_module("conv2", conv3(out, out, dimensions))) {
  if (in != out) shortcut_ = register_module("shortcut", conv1(in, out, dimensions));
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor h = conv2_->forward(norm2_->forward(conv1_->forward(norm1_->forward(x))));
  return h + (shortcut_.is_empty() ? x : shortcut_->forward(x));
}

SpatialAttentionImpl::SpatialAttentionImpl(std::int64_t channels, GroupNormWays norms,
                                           std::size_t dimensions)
    : norm_(register_module("norm", group_norm(channels, norms))),
      qkv_(register_module("qkv", conv1(channels, 3 * channels, dimensions))),
      projection_(register_module("projection", conv1(channels, channels, dimensions))) {}

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

UpsamplingImpl::UpsamplingImpl(std::int64_t channels, Space size)
    : size_(std::move(size)),
      conv_(register_module("conv", conv3(channels, channels, size_.size()))) {}

at::Tensor UpsamplingImpl::forward(const at::Tensor& x) {
  return conv_->forward(as_it_is(x, [&] {
    if (size_.size() == 1) return at::upsample_nearest1d(x, size_);
    return size_.size() == 2 ? at::upsample_nearest2d(x, size_) : at::upsample_nearest3d(x, size_);
  }));
}

}  // namespace vae_dist::model
