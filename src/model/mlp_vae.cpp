#include "model/mlp_vae.hpp"

#include <ATen/ATen.h>

#include "model/condition.hpp"
#include "model/network_registry.hpp"

namespace vae_dist::model {
namespace {

using torch::nn::Sequential;

void append_level(Sequential& levels, std::int64_t in, std::int64_t out, Activation activation) {
  levels->push_back(Linear(in, out));
  levels->push_back(ActivationModule(activation));
}

}  // namespace

MlpVae::MlpVae(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood)
    : sample_shape_(batch_shape(options.channels, options.space)),
      condition_values_(options.condition_values),
      wanted_head_(options.second_head) {
  using Of = base::SecondHead::Of;
  const auto& hidden = options.hidden_dims;
  const std::int64_t values = options.values(),
                     read =
                         options.input_channels() * positions_in(options.space) + condition_values_,
                     latent = options.latent_dim + condition_values_;

  encoder_ = register_module("encoder", Sequential());
  for (std::size_t level = 0; level < hidden.size(); ++level)
    append_level(encoder_, level == 0 ? read : hidden[level - 1], hidden[level],
                 options.activation);
  const std::int64_t code = hidden.empty() ? read : hidden.back();
  fc_mu_ = register_module("fc_mu", Linear(code, options.latent_dim));
  if (!options.codebook) fc_var_ = register_module("fc_var", Linear(code, options.latent_dim));

  decoder_ = register_module("decoder", Sequential());
  for (std::size_t level = hidden.size(); level-- > 0;)
    append_level(decoder_, level + 1 == hidden.size() ? latent : hidden[level + 1], hidden[level],
                 options.activation);
  const std::int64_t features = hidden.empty() ? latent : hidden.front();
  final_layer_ = register_module("final_layer", Sequential());
  append_level(final_layer_, features, values, options.output);
  if (wanted_head_.of != Of::nothing)
    second_head_ = register_module(wanted_head_.layer,
                                   Linear(features, wanted_head_.of == Of::values ? values : 1));
  finish({options.latent_dim}, std::move(likelihood), options.codebook);
}

Posterior MlpVae::encode_sample(const Sample& sample) {
  at::Tensor code = with_condition(sample.input().flatten(1), sample, condition_values_);
  if (!encoder_->is_empty()) code = encoder_->forward(code);
  return {fc_mu_->forward(code),
          fc_var_.is_empty() ? at::Tensor() : clamp_log_var(fc_var_->forward(code))};
}

Decoded MlpVae::decode_latents(const at::Tensor& z, const Sample& given) {
  at::Tensor code = with_condition(z, given, condition_values_);
  if (!decoder_->is_empty()) code = decoder_->forward(code);
  Decoded decoded{final_layer_->forward(code).view(sample_shape_), {}};
  if (second_head_.is_empty()) return decoded;
  const at::Tensor second = second_head_->forward(code).clamp_min(wanted_head_.least);
  decoded.second = wanted_head_.of == base::SecondHead::Of::values
                       ? second.view(sample_shape_)
                       : of_each_sample(second, sample_shape_.size() - 2);
  return decoded;
}

namespace {

const RegisteredNetwork kMlpVae({{.name = "mlp_vae", .help = "fully connected levels"},
                                 base::LatentKind::posterior,
                                 /*has_blocks=*/false,
                                 /*takes_condition=*/true},
                                [](const NetworkRequest& wanted) {
                                  return std::make_shared<MlpVae>(wanted.options,
                                                                  wanted.likelihood);
                                });

}  // namespace

}  // namespace vae_dist::model
