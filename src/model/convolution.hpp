// The convolutions of our networks, in one, two or three space dimensions. In two, their products
// are computed in the ways that a choice gives for the layer's shape; in one and three, LibTorch
// computes them.
//
// Parameters, their names and their shapes are those of LibTorch's layers.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>
#include <vector>

#include "kernels/convolution_choice.hpp"

namespace vae_dist::model {

using kernels::ConvolutionChoice;

/// A convolution without groups and dilation. Kernel, stride and padding hold for every space axis.
struct ConvolutionOptions {
  std::int64_t in_channels = 1, out_channels = 1, kernel = 3;
  std::int64_t stride = 1, padding = 0;
  std::vector<std::int64_t> output_padding = {};  ///< for each axis, of a transposed convolution;
                                                  ///< empty: zeros
  std::size_t dimensions = 2;                     ///< number of space axes: 1 to 3
  bool bias = true;
};

/// What both kinds of convolutions share.
class ConvolutionLayer : public torch::nn::Module {
 public:
  /// From now on the layer asks `choice`, which other layers may ask too; null: the pure table.
  void use_choice(std::shared_ptr<ConvolutionChoice> choice) { choice_ = std::move(choice); }

  at::Tensor weight;  ///< parameter: [out, in, k...], of a transposed convolution [in, out, k...]
  at::Tensor bias;    ///< parameter: [out], or undefined

 protected:
  /// Draws initial values as LibTorch's layers do. Throws std::invalid_argument if there are not
  /// one to three dimensions.
  ConvolutionLayer(ConvolutionOptions options, bool transposed);

  /// Convolves x and adds `added`, which may be undefined.
  at::Tensor convolved(const at::Tensor& x, const at::Tensor& added) const;

 private:
  at::Tensor of_torch(const at::Tensor& x, const at::Tensor& kernel, const at::Tensor& added) const;

  ConvolutionOptions options_;
  bool transposed_;
  std::shared_ptr<ConvolutionChoice> choice_;
};

class ConvolutionImpl : public ConvolutionLayer {
 public:
  explicit ConvolutionImpl(ConvolutionOptions options)
      : ConvolutionLayer(std::move(options), /*transposed=*/false) {}

  /// Convolves x: [B, in, space...].
  at::Tensor forward(const at::Tensor& x) { return convolved(x, bias); }
};
TORCH_MODULE(Convolution);

/// The same, transposed.
class TransposedConvolutionImpl : public ConvolutionLayer {
 public:
  explicit TransposedConvolutionImpl(ConvolutionOptions options)
      : ConvolutionLayer(std::move(options), /*transposed=*/true) {}

  /// Convolves x: [B, in, space...].
  at::Tensor forward(const at::Tensor& x) { return convolved(x, bias); }
};
TORCH_MODULE(TransposedConvolution);

/// A convolution with a kernel of 3 that preserves the size.
Convolution conv3(std::int64_t in, std::int64_t out, std::size_t dimensions);

/// A linear map of the channels at each position.
Convolution conv1(std::int64_t in, std::int64_t out, std::size_t dimensions);

}  // namespace vae_dist::model
