// The pieces of a residual convolutional network: blocks with group normalisation, attention at low
// resolution, changes of resolution.
//
// No batch statistics, so a replica of any size trains alike.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include "model/activation.hpp"

namespace vae_dist::model {

/// Convolutions that keep the resolution.
torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out);
torch::nn::Conv2d conv1x1(std::int64_t in, std::int64_t out);

/// Group normalisation (Wu, He 2018) in groups of 32 channels' number or the largest number below
/// it that divides `channels`.
torch::nn::GroupNorm group_norm(std::int64_t channels);

/// x + conv(act(norm(conv(act(norm(x)))))), the pre-activation form (He et al. 2016, "Identity
/// Mappings in Deep Residual Networks"); a 1x1 convolution leads x to other channels.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  ResidualBlockImpl(std::int64_t in, std::int64_t out, Activation activation);
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::GroupNorm norm1_, norm2_;
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Conv2d shortcut_{nullptr};
  ActivationModule activation_;
};
TORCH_MODULE(ResidualBlock);

/// x + proj(attention over all positions of norm(x)): one head of scaled dot products (Vaswani et
/// al. 2017, eq. 1; on images Zhang et al. 2019).
class SpatialAttentionImpl : public torch::nn::Module {
 public:
  explicit SpatialAttentionImpl(std::int64_t channels);
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::GroupNorm norm_;
  torch::nn::Conv2d qkv_, projection_;
};
TORCH_MODULE(SpatialAttention);

/// Doubles a size (or leads to one less, as a halving of an odd size rounds up) by nearest
/// neighbours, then a 3x3 convolution: no checkerboard (Odena et al. 2016).
class UpsamplingImpl : public torch::nn::Module {
 public:
  UpsamplingImpl(std::int64_t channels, std::int64_t height, std::int64_t width);
  at::Tensor forward(const at::Tensor& x);

 private:
  std::vector<std::int64_t> size_;
  torch::nn::Conv2d conv_;
};
TORCH_MODULE(Upsampling);

}  // namespace vae_dist::model
