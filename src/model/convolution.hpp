// The convolutions of our networks: LibTorch's layers, whose products are computed in the ways that
// a choice gives for the layer's shape.
//
// Parameters and their names are those of LibTorch's layers.
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <memory>

#include "kernels/convolution_choice.hpp"

namespace vae_dist::model {

using kernels::ConvolutionChoice;

/// What both kinds of convolutions share.
class ChoosesConvolution {
 public:
  virtual ~ChoosesConvolution() = default;

  /// From now on the layer asks `choice`, which other layers may ask too; null: the pure table.
  void use_choice(std::shared_ptr<ConvolutionChoice> choice) { choice_ = std::move(choice); }

 protected:
  ChoosesConvolution() = default;
  ChoosesConvolution(const ChoosesConvolution&) = default;
  ChoosesConvolution& operator=(const ChoosesConvolution&) = default;

  at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const kernels::ConvolutionGeometry& geometry) const;

 private:
  std::shared_ptr<ConvolutionChoice> choice_;
};

/// A convolution with a square kernel, one stride and one padding for both axes.
class ConvolutionImpl : public torch::nn::Conv2dImpl, public ChoosesConvolution {
 public:
  using torch::nn::Conv2dImpl::Conv2dImpl;

  /// Convolves x: [B, in, H, W].
  at::Tensor forward(const at::Tensor& x) { return convolved(x, bias); }

 protected:
  at::Tensor convolved(const at::Tensor& x, const at::Tensor& added) const;
};
TORCH_MODULE(Convolution);

/// The same, transposed, with an output padding for each axis.
class TransposedConvolutionImpl : public torch::nn::ConvTranspose2dImpl, public ChoosesConvolution {
 public:
  using torch::nn::ConvTranspose2dImpl::ConvTranspose2dImpl;

  /// Convolves x: [B, in, H, W].
  at::Tensor forward(const at::Tensor& x) { return convolved(x, bias); }

 protected:
  at::Tensor convolved(const at::Tensor& x, const at::Tensor& added) const;
};
TORCH_MODULE(TransposedConvolution);

}  // namespace vae_dist::model
