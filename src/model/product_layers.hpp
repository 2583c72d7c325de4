// The layers whose work is products: convolutions, linear layers and attention. LibTorch's own,
// with two additions: bfloat16 on a CPU that has no instructions for it is rounded and multiplied
// in fp32 (kernels/rounded_products.hpp), and the shapes are told to who counts operations
// (layer_calls.hpp). Networks use these in place of LibTorch's.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

namespace vae_dist::model {

class LinearImpl : public torch::nn::LinearImpl {
 public:
  using torch::nn::LinearImpl::LinearImpl;
  at::Tensor forward(const at::Tensor& x);
};
TORCH_MODULE(Linear);

/// Pads with zeros, by numbers: another padding mode, or `kSame` and `kValid`, are refused by
/// forward() with std::logic_error.
class Conv2dImpl : public torch::nn::Conv2dImpl {
 public:
  using torch::nn::Conv2dImpl::Conv2dImpl;
  at::Tensor forward(const at::Tensor& x) { return convolve(x, bias); }

 protected:
  /// Adds `added` ([out] or undefined) in place of the layer's bias.
  at::Tensor convolve(const at::Tensor& x, const at::Tensor& added) const;
};
TORCH_MODULE(Conv2d);

class ConvTranspose2dImpl : public torch::nn::ConvTranspose2dImpl {
 public:
  using torch::nn::ConvTranspose2dImpl::ConvTranspose2dImpl;
  at::Tensor forward(const at::Tensor& x) { return convolve(x, bias); }

 protected:
  at::Tensor convolve(const at::Tensor& x, const at::Tensor& added) const;
};
TORCH_MODULE(ConvTranspose2d);

/// Scaled dot-product attention (Vaswani et al. 2017, eq. 1) of queries, keys and values: [B,
/// heads, positions, channels].
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value);

}  // namespace vae_dist::model
