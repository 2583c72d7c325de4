// Building blocks of a residual convolutional network: blocks with group normalisation, attention
// at low resolution, and changes of resolution.
//
// There are no batch statistics, so training does not depend on the size of a replica.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include "model/activation.hpp"

namespace vae_dist::model {

/// Convolutions that preserve the resolution.
torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out);
torch::nn::Conv2d conv1x1(std::int64_t in, std::int64_t out);

/// Group normalisation (Wu, He 2018) with 32 groups, or the largest smaller number that divides
/// `channels`.
torch::nn::GroupNorm group_norm(std::int64_t channels);

/// x + conv(act(norm(conv(act(norm(x)))))), the pre-activation form (He et al. 2016, "Identity
/// Mappings in Deep Residual Networks"). If the number of channels changes, a 1x1 convolution maps
/// x.
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
/// al. 2017, eq. 1; for images: Zhang et al. 2019).
class SpatialAttentionImpl : public torch::nn::Module {
 public:
  explicit SpatialAttentionImpl(std::int64_t channels);
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::GroupNorm norm_;
  torch::nn::Conv2d qkv_, projection_;
};
TORCH_MODULE(SpatialAttention);

/// Doubles a size by nearest neighbours (one less where halving an odd size rounded up), then
/// applies a 3x3 convolution. This avoids checkerboard artefacts (Odena et al. 2016).
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
