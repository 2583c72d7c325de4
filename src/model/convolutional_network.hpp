// PyTorch-VAE's convolutional encoder and decoder (vanilla_vae.py), for any image size and number
// of channels. VanillaVae, Autoencoder and DecoderOnly share them.
//
// A level is a 3x3 convolution of stride 2, batch norm and the activation. It halves the size,
// rounding up; the decoder returns through the same sizes by output padding. Modules are registered
// in their owner under PyTorch-VAE's names (encoder.0.0.weight, decoder_input,
// decoder.0.1.running_mean, final_layer.3.bias, ...), so that weights can be exchanged in both
// directions.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>

#include <utility>

#include "model/likelihood.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"
#include "model/variance_head.hpp"

namespace vae_dist::model {

class ConvolutionalEncoder {
 public:
  /// Registers "encoder" in `owner`. Throws std::invalid_argument if there is no level.
  ConvolutionalEncoder(torch::nn::Module& owner, const NetworkOptions& options);

  std::int64_t code_values() const { return code_values_; }

  /// Maps x: [B, C, H, W] to the values of the last level: [B, code_values].
  at::Tensor forward(const at::Tensor& x) { return levels_->forward(x).flatten(1); }

 private:
  torch::nn::Sequential levels_{nullptr};
  std::int64_t code_values_;
};

class ConvolutionalDecoder {
 public:
  /// Registers "decoder_input", "decoder", "final_layer" in `owner`, and the layer of a
  /// predicted variance (variance_head.hpp).
  ConvolutionalDecoder(torch::nn::Module& owner, const NetworkOptions& options);

  /// Decodes z: [B, latent].
  Decoded forward(const at::Tensor& z);

 private:
  std::vector<std::int64_t> code_shape_;  // the shape of the encoder's last level: [-1, C, H, W]
  Linear input_{nullptr};
  torch::nn::Sequential levels_{nullptr}, final_layer_{nullptr};
  VarianceHead variance_head_;
};

}  // namespace vae_dist::model
