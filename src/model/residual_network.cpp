#include "model/residual_network.hpp"

#include <ATen/ATen.h>

namespace vae_dist::model {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;
using torch::nn::GroupNorm;
using torch::nn::GroupNormOptions;

}  // namespace

Conv2d conv3x3(std::int64_t in, std::int64_t out) {
  return Conv2d(Conv2dOptions(in, out, 3).padding(1));
}
Conv2d conv1x1(std::int64_t in, std::int64_t out) { return Conv2d(Conv2dOptions(in, out, 1)); }

GroupNorm group_norm(std::int64_t channels) {
  std::int64_t groups = std::min<std::int64_t>(32, channels);
  while (channels % groups != 0) --groups;
  return GroupNorm(GroupNormOptions(groups, channels));
}

ResidualBlockImpl::ResidualBlockImpl(std::int64_t in, std::int64_t out, Activation activation)
    : norm1_(register_module("norm1", group_norm(in))),
      norm2_(register_module("norm2", group_norm(out))),
      conv1_(register_module("conv1", conv3x3(in, out))),
      conv2_(register_module("conv2", conv3x3(out, out))),
      activation_(activation) {
  if (in != out) shortcut_ = register_module("shortcut", conv1x1(in, out));
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  at::Tensor h = conv1_->forward(activation_->forward(norm1_->forward(x)));
  h = conv2_->forward(activation_->forward(norm2_->forward(h)));
  return h + (shortcut_.is_empty() ? x : shortcut_->forward(x));
}

SpatialAttentionImpl::SpatialAttentionImpl(std::int64_t channels)
    : norm_(register_module("norm", group_norm(channels))),
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
      at::scaled_dot_product_attention(rows(parts[0]), rows(parts[1]), rows(parts[2]));
  return x + projection_->forward(mixed.squeeze(1).transpose(1, 2).reshape(sizes));
}

UpsamplingImpl::UpsamplingImpl(std::int64_t channels, std::int64_t height, std::int64_t width)
    : size_{height, width}, conv_(register_module("conv", conv3x3(channels, channels))) {}

at::Tensor UpsamplingImpl::forward(const at::Tensor& x) {
  return conv_->forward(at::upsample_nearest2d(x, size_));
}

}  // namespace vae_dist::model
