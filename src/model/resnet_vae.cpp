#include "model/resnet_vae.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "model/network_registry.hpp"
#include "model/recompute.hpp"
#include "model/residual_network.hpp"

namespace vae_dist::model {
namespace {

using torch::nn::Sequential;

std::vector<Space> resolutions(const NetworkOptions& options) {
  std::vector<Space> out = {options.space};
  while (out.size() < options.hidden_dims.size()) out.push_back(halved(out.back()));
  return out;
}

// Appends the blocks of one level. The first may change the number of channels.
void append_blocks(Sequential& network, std::int64_t in, std::int64_t out, const Space& space,
                   const NetworkOptions& options, const ResnetOptions& resnet) {
  const bool attends = std::find(resnet.attention_at.begin(), resnet.attention_at.end(),
                                 space.front()) != resnet.attention_at.end();
  for (std::int64_t block = 0; block < resnet.blocks; ++block) {
    network->push_back(ResidualBlock(block == 0 ? in : out, out, options.activation, resnet.norms(),
                                     space.size()));
    if (attends) network->push_back(SpatialAttention(out, resnet.norms(), space.size()));
  }
}

// Returns the options. Throws std::invalid_argument if the network cannot work with them.
NetworkOptions checked(const NetworkOptions& options) {
  require_convolvable(options.space);
  if (options.hidden_dims.empty())
    throw std::invalid_argument("ResnetVae needs at least one level in hidden_dims");
  return options;
}

}  // namespace

ResnetVae::ResnetVae(const NetworkOptions& options, const ResnetOptions& resnet,
                     std::shared_ptr<Likelihood> likelihood)
    : condition_values_(options.condition_values),
      condition_(*this, checked(options)),
      output_activation_(options.output),
      recomputes_blocks_(options.recompute_blocks),
      fused_group_norm_(resnet.fused_group_norm) {
  const auto& hidden = options.hidden_dims;
  const std::size_t dimensions = options.space.size();
  const std::vector<Space> sizes = resolutions(options);
  const std::size_t levels = hidden.size();
  const Space& code = sizes.back();
  const std::int64_t deepest = hidden.back(), positions = positions_in(code);
  code_shape_ = batch_shape(deepest, code);

  encoder_ = register_module("encoder", Sequential());
  encoder_->push_back(conv3(condition_.channels(), hidden[0], dimensions));
  for (std::size_t level = 0; level < levels; ++level) {
    append_blocks(encoder_, hidden[level == 0 ? 0 : level - 1], hidden[level], sizes[level],
                  options, resnet);
    if (level + 1 < levels)
      encoder_->push_back(Convolution(ConvolutionOptions{.in_channels = hidden[level],
                                                         .out_channels = hidden[level],
                                                         .kernel = 3,
                                                         .stride = 2,
                                                         .padding = 1,
                                                         .dimensions = dimensions}));
  }
  encoder_->push_back(group_norm(deepest, resnet.norms(), options.activation));

  if (resnet.spatial_latent) {
    latent_shape_ = batch_shape(options.latent_dim, code);
    conv_mu_ = register_module("conv_mu", conv1(deepest, options.latent_dim, dimensions));
    if (!options.codebook)
      conv_var_ = register_module("conv_var", conv1(deepest, options.latent_dim, dimensions));
    latent_input_ = register_module(
        "latent_input", conv3(options.latent_dim + condition_values_, deepest, dimensions));
  } else {
    fc_mu_ = register_module("fc_mu", Linear(deepest * positions, options.latent_dim));
    if (!options.codebook)
      fc_var_ = register_module("fc_var", Linear(deepest * positions, options.latent_dim));
    decoder_input_ = register_module(
        "decoder_input", Linear(options.latent_dim + condition_values_, deepest * positions));
  }

  decoder_ = register_module("decoder", Sequential());
  for (std::size_t level = levels; level-- > 0;) {
    append_blocks(decoder_, hidden[level + 1 < levels ? level + 1 : level], hidden[level],
                  sizes[level], options, resnet);
    if (level > 0) decoder_->push_back(Upsampling(hidden[level], sizes[level - 1]));
  }
  decoder_->push_back(group_norm(hidden[0], resnet.norms(), options.activation));
  output_layer_ = register_module("output_layer", conv3(hidden[0], options.channels, dimensions));
  second_head_ = SecondHead(*this, options);
  finish({options.latent_dim, resnet.spatial_latent ? positions : 1}, std::move(likelihood),
         options.codebook);
}

// A block is a layer that consists of layers: ResidualBlock, SpatialAttention, Upsampling.
at::Tensor ResnetVae::through(Sequential& layers, at::Tensor x) const {
  for (torch::nn::AnyModule& layer : *layers)
    x = recomputes_blocks_ && !layer.ptr()->children().empty() ? recomputed(layer, x)
                                                               : layer.forward(std::move(x));
  return x;
}

Posterior ResnetVae::encode_sample(const Sample& sample) {
  const at::Tensor code = through(encoder_, condition_.joined(sample));
  // flatten() copies a channels_last map into the order of channels, then positions.
  if (!latent_shape_.empty())
    return {
        conv_mu_->forward(code).flatten(1),
        conv_var_.is_empty() ? at::Tensor() : clamp_log_var(conv_var_->forward(code).flatten(1))};
  const at::Tensor row = code.flatten(1);
  return {fc_mu_->forward(row),
          fc_var_.is_empty() ? at::Tensor() : clamp_log_var(fc_var_->forward(row))};
}

Decoded ResnetVae::decode_latents(const at::Tensor& z, const Sample& given) {
  at::Tensor code =
      latent_shape_.empty()
          ? decoder_input_->forward(with_condition(z, given, condition_values_)).view(code_shape_)
          : latent_input_->forward(
                with_condition_everywhere(z.view(latent_shape_), given, condition_values_));
  // Without a kernel of our own the first block computes in the memory format of rows, as in runs
  // begun before there was one: LibTorch's kernels round differently in each.
  if (fused_group_norm_) code = code.contiguous(output_layer_->weight.suggest_memory_format());
  const at::Tensor features = through(decoder_, code);
  return {output_activation_->forward(output_layer_->forward(features)),
          second_head_.is_empty() ? at::Tensor() : second_head_.forward(features)};
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
                 "sizes of the first space axis (of images, the height) with attention after each "
                 "block")
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
     /*has_blocks=*/true,
     /*takes_condition=*/true},
    [](const NetworkRequest& wanted) {
      return std::make_shared<ResnetVae>(wanted.options, wanted.settings<ResnetOptions>(),
                                         wanted.likelihood);
    });

}  // namespace

}  // namespace vae_dist::model
