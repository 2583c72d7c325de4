// PyTorch-VAE's convolutional encoder and decoder (vanilla_vae.py; with a condition, cvae.py), for
// any size and number of channels, in one, two or three space dimensions. VanillaVae, Autoencoder
// and DecoderOnly share them.
//
// A level is a convolution with a kernel of 3 and a stride of 2, batch norm and the activation. It
// halves the size, rounding up; the decoder returns through the same sizes by output padding.
// Modules are registered in their owner under PyTorch-VAE's names (encoder.0.0.weight,
// decoder_input, decoder.0.1.running_mean, final_layer.3.bias, ...), so that weights can be
// exchanged in both directions.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>

#include <utility>

#include "model/condition.hpp"
#include "model/likelihood.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"
#include "model/second_head.hpp"

namespace vae_dist::model {

class ConvolutionalEncoder {
 public:
  /// Registers "encoder" in `owner`, and before it what takes a condition (condition.hpp). Throws
  /// std::invalid_argument if there is no level, or if the samples are vectors.
  ConvolutionalEncoder(torch::nn::Module& owner, const NetworkOptions& options);

  std::int64_t code_values() const { return code_values_; }

  /// Maps a batch to the values of the last level: [B, code_values].
  at::Tensor forward(const Sample& sample) {
    return levels_->forward(condition_.joined(sample)).flatten(1);
  }

 private:
  ConditionChannel condition_;
  torch::nn::Sequential levels_{nullptr};
  std::int64_t code_values_;
};

class ConvolutionalDecoder {
 public:
  /// Registers "decoder_input", "decoder", "final_layer" in `owner`, and the layer of a second
  /// head (second_head.hpp).
  ConvolutionalDecoder(torch::nn::Module& owner, const NetworkOptions& options);

  /// Decodes z: [B, latent], of samples with the condition of `given`.
  Decoded forward(const at::Tensor& z, const Sample& given);

 private:
  std::int64_t condition_values_;
  std::vector<std::int64_t> code_shape_;  // of the encoder's last level: [-1, C, space...]
  Linear input_{nullptr};
  torch::nn::Sequential levels_{nullptr}, final_layer_{nullptr};
  SecondHead second_head_;
};

}  // namespace vae_dist::model
