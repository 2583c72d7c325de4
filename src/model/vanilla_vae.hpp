// The convolutional variational autoencoder of PyTorch-VAE (vanilla_vae.py), for any image size and number of channels.
//
// Parameters and buffers carry its names (encoder.0.0.weight, fc_mu, fc_var, decoder_input, decoder.0.1.running_mean,
// final_layer.3.bias, ...), so weights move both ways.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

#include "model/activation.hpp"
#include "model/batch_norm.hpp"

namespace vae_dist {

struct VanillaVaeOptions {
  std::int64_t channels = 3, height = 64, width = 64;
  std::int64_t latent_dim = 128;
  std::vector<std::int64_t> hidden_dims = {32, 64, 128, 256, 512};  ///< channels of each level; each halves the size, rounding up
  Activation activation = Activation::leaky_relu;
  Activation output = Activation::sigmoid;
};

/// q(z|x) = N(mu, exp(log_var)), each [B, latent].
struct Posterior {
  at::Tensor mu, log_var;
};

/// What PyTorch-VAE's forward returns.
struct VaeOutput {
  at::Tensor reconstruction;  ///< [B, C, H, W]
  at::Tensor input;           ///< [B, C, H, W]
  at::Tensor mu, log_var;     ///< [B, latent]
};

class VanillaVaeImpl : public torch::nn::Module {
 public:
  explicit VanillaVaeImpl(const VanillaVaeOptions& options);

  const VanillaVaeOptions& options() const { return options_; }

  /// x: [B, C, H, W]. log_var is clamped to [-30, 20], so that exp neither overflows nor vanishes in fp32.
  Posterior encode(const at::Tensor& x);

  /// z = mu + exp(log_var / 2) * noise (the reparameterisation trick: Kingma, Welling 2014, section 2.4). All [B, latent].
  static at::Tensor reparameterize(const at::Tensor& mu, const at::Tensor& log_var, const at::Tensor& noise);

  /// z: [B, latent] to [B, C, H, W].
  at::Tensor decode(const at::Tensor& z);

  /// noise: [B, latent], standard normal, made by the caller: the model draws no random numbers.
  VaeOutput forward(const at::Tensor& x, const at::Tensor& noise);

  /// The batch-norm layers in registration order.
  std::vector<BatchNorm2d> batch_norms() const;

 private:
  VanillaVaeOptions options_;
  std::int64_t code_channels_, code_height_, code_width_;  // of the encoder's last level
  torch::nn::Sequential encoder_{nullptr}, decoder_{nullptr}, final_layer_{nullptr};
  torch::nn::Linear fc_mu_{nullptr}, fc_var_{nullptr}, decoder_input_{nullptr};
};
TORCH_MODULE(VanillaVae);

}  // namespace vae_dist
