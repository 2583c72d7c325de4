#include "step/make_model.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <stdexcept>

#include "base/error.hpp"
#include "model/initial_weights.hpp"
#include "model/network_registry.hpp"

namespace vae_dist::step {
namespace {

model::Activation activation(config::Activation wanted) {
  switch (wanted) {
    case config::Activation::leaky_relu:
      return model::Activation::leaky_relu;
    case config::Activation::relu:
      return model::Activation::relu;
    case config::Activation::tanh:
      return model::Activation::tanh;
    case config::Activation::silu:
      return model::Activation::silu;
  }
  throw std::logic_error("unknown value of config::Activation");
}

model::Activation activation(config::Output wanted) {
  switch (wanted) {
    case config::Output::sigmoid:
      return model::Activation::sigmoid;
    case config::Output::tanh:
      return model::Activation::tanh;
    case config::Output::identity:
      return model::Activation::identity;
    case config::Output::automatic:
      break;
  }
  throw std::logic_error("model.output was not resolved");
}

}  // namespace

config::Output resolved_output(const config::Config& config) {
  if (config.model.output != config::Output::automatic) return config.model.output;
  if (config::likelihood_traits(config.objective).takes_logits) return config::Output::identity;
  if (config.data.normalize != config::Normalize::scale) return config::Output::identity;
  return config.data.range[0] < 0 ? config::Output::tanh : config::Output::sigmoid;
}

std::shared_ptr<kernels::ConvolutionChoice> convolution_choice(config::Convolutions wanted) {
  using kernels::ConvolutionChoice, kernels::ConvolutionWay;
  switch (wanted) {
    case config::Convolutions::automatic:
      return std::make_shared<ConvolutionChoice>();
    case config::Convolutions::onednn:
      return std::make_shared<ConvolutionChoice>(ConvolutionWay::onednn);
    case config::Convolutions::products:
      return std::make_shared<ConvolutionChoice>(ConvolutionWay::products);
    case config::Convolutions::direct:
      return std::make_shared<ConvolutionChoice>(ConvolutionWay::direct);
  }
  throw std::logic_error("unknown value of config::Convolutions");
}

model::NetworkOptions network_options(const config::Config& config,
                                      const arrays::SampleShape& shape,
                                      std::int64_t condition_values) {
  model::NetworkOptions options;
  options.channels = shape.channels;
  options.space = shape.space;
  if (config.data.missing == config::Missing::mask) options.encoder_channels = 2 * shape.channels;
  options.condition_values = condition_values;
  options.latent_dim = config.model.latent_dim;
  options.hidden_dims = config.model.hidden_dims;
  options.activation = activation(config.model.activation);
  options.output = activation(resolved_output(config));
  options.skips_cancelled_bias = config.model.cancelled_bias == config::CancelledBias::skip;
  options.second_head = config::likelihood_traits(config.objective).second_head;
  if (const config::CodesConfig& codes = config.model.codes;
      codes.kind == config::CodesKind::vector_quantized)
    options.codebook = {codes.size, codes.groups, codes.decay, codes.restart_after};
  options.channels_last = config.train.channels_last;
  options.recompute_blocks = config.train.recompute == config::Recompute::blocks;
  return options;
}

std::shared_ptr<model::Likelihood> make_likelihood(const config::Config& config,
                                                   const arrays::SampleShape& shape) {
  const base::Chosen<base::Likelihood>& chosen = config.objective.likelihood;
  return model::make_likelihood(chosen.name, {.own = chosen.settings(),
                                              .low = config.data.range[0],
                                              .high = config.data.range[1],
                                              .channels = shape.channels,
                                              .values = shape.values()});
}

std::shared_ptr<model::LatentModel> make_model(const config::Config& config,
                                               const arrays::SampleShape& shape,
                                               std::int64_t condition_values) {
  const base::Chosen<base::Network>& chosen = config.model.network;
  std::shared_ptr<model::LatentModel> model;
  try {
    model = model::make_network(chosen.name, {network_options(config, shape, condition_values),
                                              chosen.settings(), make_likelihood(config, shape)});
    model::draw_initial_weights(*model, static_cast<std::uint64_t>(config.run.seed));
  } catch (const std::invalid_argument& error) {
    throw base::BadInput(base::text("model.name ", chosen.name, ": ", error.what()));
  }
  if (config.distributed.reproducible && config::has_foreign_layers(config.model)) {
    // Which operations a network from elsewhere uses is unknown. LibTorch refuses by name those
    // that give different results each time.
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  }
  // Module::to() would convert the counts too, which must stay integers.
  const at::ScalarType type =
      config.train.precision == config::Precision::fp64 ? at::kDouble : at::kFloat;
  for (auto& [name, tensor] : named_state(*model))
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(type));
  model->use_bfloat16(config.train.precision == config::Precision::bf16);
  return model;
}

parallel::NamedTensors trained_parameters(const model::LatentModel& model) {
  parallel::NamedTensors out;
  for (const auto& entry : model.named_parameters())
    if (entry.value().requires_grad()) out.emplace_back(entry.key(), entry.value());
  return out;
}

parallel::NamedTensors named_state(const model::LatentModel& model) {
  parallel::NamedTensors out;
  for (const auto& entry : model.named_parameters()) out.emplace_back(entry.key(), entry.value());
  for (const auto& entry : model.named_buffers()) out.emplace_back(entry.key(), entry.value());
  return out;
}

}  // namespace vae_dist::step
