// PyTorch-VAE's convolutional encoder and decoder (vanilla_vae.py), for any image size and number
// of channels: what VanillaVae, Autoencoder and DecoderOnly have in common.
//
// A level is a 3x3 convolution of stride 2, batch norm and the activation; it halves the size,
// rounding up, and the decoder leads back through the same sizes by output padding. Modules are
// registered in their owner under PyTorch-VAE's names (encoder.0.0.weight, decoder_input,
// decoder.0.1.running_mean, final_layer.3.bias, ...), so weights move both ways.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <utility>

#include "model/likelihood.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

class ConvolutionalEncoder {
 public:
  /// Registers "encoder" in `owner`. Throws std::invalid_argument for no level.
  ConvolutionalEncoder(torch::nn::Module& owner, const NetworkOptions& options);

  std::int64_t code_values() const { return code_values_; }

  /// x: [B, C, H, W] to the last level's values: [B, code_values].
  at::Tensor forward(const at::Tensor& x) { return levels_->forward(x).flatten(1); }

 private:
  torch::nn::Sequential levels_{nullptr};
  std::int64_t code_values_;
};

class ConvolutionalDecoder {
 public:
  /// Registers "decoder_input", "decoder", "final_layer" in `owner`, and "log_variance_layer" where
  /// a variance is predicted.
  ConvolutionalDecoder(torch::nn::Module& owner, const NetworkOptions& options);

  /// z: [B, latent].
  Decoded forward(const at::Tensor& z);

 private:
  std::vector<std::int64_t> code_shape_;  // of the encoder's last level: [-1, C, H, W]
  torch::nn::Linear input_{nullptr};
  torch::nn::Sequential levels_{nullptr}, final_layer_{nullptr};
  torch::nn::Conv2d log_variance_layer_{nullptr};
};

}  // namespace vae_dist::model
