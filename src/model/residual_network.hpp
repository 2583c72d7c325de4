// Building blocks of a residual convolutional network in one, two or three space dimensions: blocks
// with group normalisation, attention at low resolution, and changes of resolution.
//
// There are no batch statistics, so training does not depend on the size of a replica.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include "model/activation.hpp"
#include "model/convolution.hpp"
#include "model/space.hpp"

namespace vae_dist::model {

/// Where autocast rounds convolutions to bfloat16 (autocast.hpp): the type in which group
/// normalisation reads and writes images, and so the type of the activation behind it.
enum class NormaliseIn {
  fp32,  ///< whatever autocast makes of it: on a GPU fp32, on the CPU the type of the images
  bf16,  ///< the type of the images on a GPU too
};

/// How group normalisation is computed.
struct GroupNormWays {
  NormaliseIn in = NormaliseIn::fp32;
  bool fused = true;  ///< on the CPU, in one operation with the activation, for the tensors that
                      ///< have a kernel (normalisation/group_norm.hpp)
};

/// Group normalisation (Wu, He 2018) followed by an activation. In bfloat16, sums are fp32 on every
/// device. LibTorch's kernel for GPUs then rounds each group's mean and deviation, the weight and
/// the bias to bfloat16 too (relative errors up to 0.2 %); those for CPUs keep them in fp32.
class GroupNormImpl : public torch::nn::GroupNormImpl {
 public:
  GroupNormImpl(const torch::nn::GroupNormOptions& groups, GroupNormWays ways,
                Activation activation)
      : torch::nn::GroupNormImpl(groups), ways_(ways), activation_(activation) {}
  at::Tensor forward(const at::Tensor& x);

 private:
  at::Tensor normalise(const at::Tensor& x);

  GroupNormWays ways_;
  Activation activation_;
};
TORCH_MODULE(GroupNorm);

/// With 32 groups, or the largest smaller number that divides `channels`.
GroupNorm group_norm(std::int64_t channels, GroupNormWays ways,
                     Activation activation = Activation::identity);

/// x + conv(act(norm(conv(act(norm(x)))))), the pre-activation form (He et al. 2016, "Identity
/// Mappings in Deep Residual Networks"). If the number of channels changes, a linear map of the
/// channels at each position maps x.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  ResidualBlockImpl(std::int64_t in, std::int64_t out, Activation activation, GroupNormWays norms,
                    std::size_t dimensions = 2);
  at::Tensor forward(const at::Tensor& x);

 private:
  GroupNorm norm1_, norm2_;
  Convolution conv1_, conv2_;
  Convolution shortcut_{nullptr};
};
TORCH_MODULE(ResidualBlock);

/// x + proj(attention over all positions of norm(x)): one head of scaled dot products (Vaswani et
/// al. 2017, eq. 1; for images: Zhang et al. 2019).
class SpatialAttentionImpl : public torch::nn::Module {
 public:
  SpatialAttentionImpl(std::int64_t channels, GroupNormWays norms, std::size_t dimensions = 2);
  at::Tensor forward(const at::Tensor& x);

 private:
  GroupNorm norm_;
  Convolution qkv_, projection_;
};
TORCH_MODULE(SpatialAttention);

/// Doubles a size by nearest neighbours (one less where halving an odd size rounded up), then
/// applies a convolution with a kernel of 3. This avoids checkerboard artefacts (Odena et al.
/// 2016). Where autocast would copy the pixels in fp32 (on a GPU), they are copied as they are,
/// which gives the same values: backward sums in fp32 and rounds once in either case.
class UpsamplingImpl : public torch::nn::Module {
 public:
  UpsamplingImpl(std::int64_t channels, Space size);
  at::Tensor forward(const at::Tensor& x);

 private:
  Space size_;
  Convolution conv_;
};
TORCH_MODULE(Upsampling);

}  // namespace vae_dist::model
