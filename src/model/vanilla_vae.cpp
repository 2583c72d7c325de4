#include "model/vanilla_vae.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>

#include <algorithm>
#include <stdexcept>

namespace vae_dist {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;
using torch::nn::ConvTranspose2d;
using torch::nn::ConvTranspose2dOptions;
using torch::nn::Linear;
using torch::nn::Sequential;

constexpr std::int64_t kKernel = 3, kStride = 2, kPadding = 1;

// Batch norm subtracts the mean, and with it this bias: its gradient is zero in theory. Adam would turn the rounding noise that is
// left into full steps. The bias stays for PyTorch-VAE's names and is not trained.
template <typename Convolution>
Convolution before_batch_norm(Convolution convolution) {
  convolution->bias.set_requires_grad(false);
  return convolution;
}

// Size after a convolution of stride 2: ceil(size / 2).
std::int64_t halved(std::int64_t size) { return (size + 1) / 2; }

// A transposed convolution turns size n into 2n - 1 + output padding: this padding leads back to `size` from halved(size).
std::int64_t mirror_padding(std::int64_t size) { return size % 2 == 0 ? 1 : 0; }

// A Sequential can stand in another one only with a forward() that is no template.
struct BlockImpl : torch::nn::SequentialImpl {
  at::Tensor forward(at::Tensor x) { return torch::nn::SequentialImpl::forward(std::move(x)); }
};
TORCH_MODULE(Block);

Block downsampling(std::int64_t in, std::int64_t out, Activation activation) {
  Block block;
  block->push_back(before_batch_norm(Conv2d(Conv2dOptions(in, out, kKernel).stride(kStride).padding(kPadding))));
  block->push_back(BatchNorm2d(out));
  block->push_back(ActivationModule(activation));
  return block;
}

// Appends, as PyTorch-VAE's final layer goes on after this without a nesting of its own.
void append_upsampling(torch::nn::SequentialImpl& block, std::int64_t in, std::int64_t out, std::int64_t height, std::int64_t width, Activation activation) {
  block.push_back(before_batch_norm(ConvTranspose2d(ConvTranspose2dOptions(in, out, kKernel)
                                                         .stride(kStride)
                                                         .padding(kPadding)
                                                         .output_padding({mirror_padding(height), mirror_padding(width)}))));
  block.push_back(BatchNorm2d(out));
  block.push_back(ActivationModule(activation));
}

}  // namespace

VanillaVaeImpl::VanillaVaeImpl(const VanillaVaeOptions& options) : options_(options) {
  const auto& hidden = options_.hidden_dims;
  if (hidden.empty()) throw std::invalid_argument("VanillaVae needs at least one level in hidden_dims");

  // Sizes before each level, so that the decoder can lead back through the same ones.
  std::vector<std::int64_t> heights, widths;
  std::int64_t height = options_.height, width = options_.width, channels = options_.channels;
  encoder_ = register_module("encoder", Sequential());
  for (const std::int64_t out : hidden) {
    heights.push_back(height);
    widths.push_back(width);
    encoder_->push_back(downsampling(channels, out, options_.activation));
    channels = out;
    height = halved(height);
    width = halved(width);
  }
  code_channels_ = channels;
  code_height_ = height;
  code_width_ = width;

  const std::int64_t code_values = channels * height * width;
  fc_mu_ = register_module("fc_mu", Linear(code_values, options_.latent_dim));
  fc_var_ = register_module("fc_var", Linear(code_values, options_.latent_dim));
  decoder_input_ = register_module("decoder_input", Linear(options_.latent_dim, code_values));

  decoder_ = register_module("decoder", Sequential());
  for (std::size_t level = hidden.size() - 1; level > 0; --level) {
    Block block;
    append_upsampling(*block, hidden[level], hidden[level - 1], heights[level], widths[level], options_.activation);
    decoder_->push_back(block);
  }
  final_layer_ = register_module("final_layer", Sequential());
  append_upsampling(*final_layer_, hidden[0], hidden[0], heights[0], widths[0], options_.activation);
  final_layer_->push_back(Conv2d(Conv2dOptions(hidden[0], options_.channels, kKernel).padding(kPadding)));
  final_layer_->push_back(ActivationModule(options_.output));
}

Posterior VanillaVaeImpl::encode(const at::Tensor& x) {
  const at::Tensor code = encoder_->forward(x).flatten(1);
  return {fc_mu_->forward(code), fc_var_->forward(code).clamp(-30.0, 20.0)};
}

at::Tensor VanillaVaeImpl::reparameterize(const at::Tensor& mu, const at::Tensor& log_var, const at::Tensor& noise) {
  return mu + (log_var / 2).exp() * noise;
}

at::Tensor VanillaVaeImpl::decode(const at::Tensor& z) {
  at::Tensor x = decoder_input_->forward(z).view({-1, code_channels_, code_height_, code_width_});
  if (!decoder_->is_empty()) x = decoder_->forward(x);
  return final_layer_->forward(x);
}

VaeOutput VanillaVaeImpl::forward(const at::Tensor& x, const at::Tensor& noise) {
  const Posterior posterior = encode(x);
  return {decode(reparameterize(posterior.mu, posterior.log_var, noise)), x, posterior.mu, posterior.log_var};
}

std::vector<BatchNorm2d> VanillaVaeImpl::batch_norms() const {
  std::vector<BatchNorm2d> layers;
  for (const auto& module : modules(/*include_self=*/false))
    if (auto layer = std::dynamic_pointer_cast<BatchNorm2dImpl>(module)) layers.emplace_back(layer);
  return layers;
}

}  // namespace vae_dist
