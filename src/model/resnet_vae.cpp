#include "model/resnet_vae.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "model/network_registry.hpp"
#include "model/recompute.hpp"
#include "model/residual_network.hpp"

namespace vae_dist::model {
namespace {

using torch::nn::Conv2dOptions;
using torch::nn::Sequential;

struct Resolution {
  std::int64_t height, width;
};

std::vector<Resolution> resolutions(const NetworkOptions& options) {
  std::vector<Resolution> out = {{options.height, options.width}};
  while (out.size() < options.hidden_dims.size())
    out.push_back({(out.back().height + 1) / 2, (out.back().width + 1) / 2});
  return out;
}

// Appends the blocks of one level. The first may change the number of channels.
void append_blocks(Sequential& network, std::int64_t in, std::int64_t out, std::int64_t height,
                   const NetworkOptions& options, const ResnetOptions& resnet) {
  const bool attends = std::find(resnet.attention_at.begin(), resnet.attention_at.end(), height) !=
                       resnet.attention_at.end();
  for (std::int64_t block = 0; block < resnet.blocks; ++block) {
    network->push_back(
        ResidualBlock(block == 0 ? in : out, out, options.activation, resnet.norms()));
    if (attends) network->push_back(SpatialAttention(out, resnet.norms()));
  }
}

}  // namespace

ResnetVae::ResnetVae(const NetworkOptions& options, const ResnetOptions& resnet,
                     std::shared_ptr<Likelihood> likelihood)
    : output_activation_(options.output),
      recomputes_blocks_(options.recompute_blocks),
      fused_group_norm_(resnet.fused_group_norm) {
  const auto& hidden = options.hidden_dims;
  if (hidden.empty())
    throw std::invalid_argument("ResnetVae needs at least one level in hidden_dims");
  const std::vector<Resolution> sizes = resolutions(options);
  const std::size_t levels = hidden.size();
  const Resolution code = sizes.back();
  const std::int64_t deepest = hidden.back(), positions = code.height * code.width;
  code_shape_ = {-1, deepest, code.height, code.width};

  encoder_ = register_module("encoder", Sequential());
  encoder_->push_back(conv3x3(options.channels, hidden[0]));
  for (std::size_t level = 0; level < levels; ++level) {
    append_blocks(encoder_, hidden[level == 0 ? 0 : level - 1], hidden[level], sizes[level].height,
                  options, resnet);
    if (level + 1 < levels)
      encoder_->push_back(
          Convolution(Conv2dOptions(hidden[level], hidden[level], 3).stride(2).padding(1)));
  }
  encoder_->push_back(group_norm(deepest, resnet.norms(), options.activation));

  if (resnet.spatial_latent) {
    latent_shape_ = {-1, options.latent_dim, code.height, code.width};
    conv_mu_ = register_module("conv_mu", conv1x1(deepest, options.latent_dim));
    conv_var_ = register_module("conv_var", conv1x1(deepest, options.latent_dim));
    latent_input_ = register_module("latent_input", conv3x3(options.latent_dim, deepest));
  } else {
    fc_mu_ = register_module("fc_mu", Linear(deepest * positions, options.latent_dim));
    fc_var_ = register_module("fc_var", Linear(deepest * positions, options.latent_dim));
    decoder_input_ =
        register_module("decoder_input", Linear(options.latent_dim, deepest * positions));
  }

  decoder_ = register_module("decoder", Sequential());
  for (std::size_t level = levels; level-- > 0;) {
    append_blocks(decoder_, hidden[level + 1 < levels ? level + 1 : level], hidden[level],
                  sizes[level].height, options, resnet);
    if (level > 0)
      decoder_->push_back(
          Upsampling(hidden[level], sizes[level - 1].height, sizes[level - 1].width));
  }
  decoder_->push_back(group_norm(hidden[0], resnet.norms(), options.activation));
  output_layer_ = register_module("output_layer", conv3x3(hidden[0], options.channels));
  variance_head_ = VarianceHead(*this, options);
  finish(resnet.spatial_latent ? options.latent_dim * positions : options.latent_dim,
         std::move(likelihood));
}

// A block is a layer that consists of layers: ResidualBlock, SpatialAttention, Upsampling.
at::Tensor ResnetVae::through(Sequential& layers, at::Tensor x) const {
  for (torch::nn::AnyModule& layer : *layers)
    x = recomputes_blocks_ && !layer.ptr()->children().empty() ? recomputed(layer, x)
                                                               : layer.forward(std::move(x));
  return x;
}

Posterior ResnetVae::encode_sample(const Sample& sample) {
  const at::Tensor code = through(encoder_, sample.x);
  // flatten() copies a channels_last map into the order C, H, W.
  if (!latent_shape_.empty())
    return {conv_mu_->forward(code).flatten(1), clamp_log_var(conv_var_->forward(code).flatten(1))};
  const at::Tensor row = code.flatten(1);
  return {fc_mu_->forward(row), clamp_log_var(fc_var_->forward(row))};
}

Decoded ResnetVae::decode_latents(const at::Tensor& z, const Sample&) {
  at::Tensor code = latent_shape_.empty() ? decoder_input_->forward(z).view(code_shape_)
                                          : latent_input_->forward(z.view(latent_shape_));
  // Without a kernel of our own the first block computes in the memory format of rows, as in runs
  // begun before there was one: LibTorch's kernels round differently in each.
  if (fused_group_norm_) code = code.contiguous(output_layer_->weight.suggest_memory_format());
  const at::Tensor features = through(decoder_, code);
  return {output_activation_->forward(output_layer_->forward(features)),
          variance_head_.is_empty() ? at::Tensor() : variance_head_.forward(features)};
}

namespace {

const RegisteredNetwork kResnetVae(
    {{.name = "resnet_vae",
      .help = "residual blocks, attention, and a flat or spatial latent",
      .own = base::own_keys<ResnetOptions>([](base::Section& keys, ResnetOptions& own) {
        keys.choice("latent", own.spatial_latent, {{"flat", false}, {"spatial", true}},
                    "shape of the latent");
        keys.key("blocks", own.blocks, "residual blocks per level").at_least(1).at_most(1000);
        keys.key("attention_at", own.attention_at,
                 "resolutions (heights) with attention after each block")
            .at_least(1)
            .empty_is("[]");
        keys.choice("normalise_in", own.normalise_in,
                    {{"fp32", NormaliseIn::fp32}, {"bf16", NormaliseIn::bf16}},
                    "train.precision bf16 on a GPU: type of the images in group normalisation and "
                    "activations; sums are fp32 in both. bf16 moves half of the bytes, and rounds "
                    "each group's mean and deviation; on the CPU both are the same")
            .for_older_runs("fp32");
        keys.choice("group_norm", own.fused_group_norm, {{"fused", true}, {"torch", false}},
                    "on the CPU. fused: group normalisation and the activation behind it are one "
                    "operation of our own; torch: operations of LibTorch, which differ in rounding")
            .for_older_runs("torch");
      })},
     base::LatentKind::posterior,
     /*has_blocks=*/true},
    [](const NetworkRequest& wanted) {
      return std::make_shared<ResnetVae>(wanted.options, wanted.settings<ResnetOptions>(),
                                         wanted.likelihood);
    });

}  // namespace

}  // namespace vae_dist::model
