#include "model/mlp_vae.hpp"

#include <ATen/ATen.h>

#include <stdexcept>

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
    : image_shape_{-1, options.channels, options.height, options.width} {
  const auto& hidden = options.hidden_dims;
  if (hidden.empty()) throw std::invalid_argument("MlpVae needs at least one level in hidden_dims");
  const std::int64_t values = options.image_values();

  encoder_ = register_module("encoder", Sequential());
  for (std::size_t level = 0; level < hidden.size(); ++level)
    append_level(encoder_, level == 0 ? values : hidden[level - 1], hidden[level],
                 options.activation);
  fc_mu_ = register_module("fc_mu", Linear(hidden.back(), options.latent_dim));
  fc_var_ = register_module("fc_var", Linear(hidden.back(), options.latent_dim));

  decoder_ = register_module("decoder", Sequential());
  for (std::size_t level = hidden.size(); level-- > 0;)
    append_level(decoder_, level + 1 == hidden.size() ? options.latent_dim : hidden[level + 1],
                 hidden[level], options.activation);
  final_layer_ = register_module("final_layer", Sequential());
  append_level(final_layer_, hidden.front(), values, options.output);
  switch (options.predicted_variance) {
    case base::PredictedVariance::none:
      break;
    case base::PredictedVariance::of_values:
      log_variance_layer_ = register_module("log_variance_layer", Linear(hidden.front(), values));
      variance_shape_ = image_shape_;
      least_log_variance_ = kLeastLogVariance;
      break;
    case base::PredictedVariance::of_sample:
      log_variance_layer_ = register_module("log_variance_layer", Linear(hidden.front(), 1));
      variance_shape_ = {-1, 1, 1, 1};
      least_log_variance_ = kLeastSharedLogVariance;
      break;
  }
  finish(options.latent_dim, std::move(likelihood));
}

Posterior MlpVae::encode_sample(const Sample& sample) {
  const at::Tensor code = encoder_->forward(sample.x.flatten(1));
  return {fc_mu_->forward(code), clamp_log_var(fc_var_->forward(code))};
}

Decoded MlpVae::decode_latents(const at::Tensor& z, const Sample&) {
  const at::Tensor code = decoder_->forward(z);
  Decoded decoded{final_layer_->forward(code).view(image_shape_), {}};
  if (!log_variance_layer_.is_empty())
    decoded.log_variance =
        log_variance_layer_->forward(code).view(variance_shape_).clamp_min(least_log_variance_);
  return decoded;
}

namespace {

const RegisteredNetwork kMlpVae({{.name = "mlp_vae", .help = "fully connected levels"},
                                 base::LatentKind::posterior},
                                [](const NetworkRequest& wanted) {
                                  return std::make_shared<MlpVae>(wanted.options,
                                                                  wanted.likelihood);
                                });

}  // namespace

}  // namespace vae_dist::model
