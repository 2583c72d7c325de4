#include "step/make_model.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>

#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "model/autoencoder.hpp"
#include "model/decoder_only.hpp"
#include "model/mlp_vae.hpp"
#include "model/vanilla_vae.hpp"

namespace vae_dist {
namespace {

Activation activation_named(const std::string& name) {
  static const std::map<std::string, Activation> kinds = {{"leaky_relu", Activation::leaky_relu}, {"relu", Activation::relu},       {"tanh", Activation::tanh},
                                                          {"silu", Activation::silu},             {"sigmoid", Activation::sigmoid}, {"identity", Activation::identity}};
  return kinds.at(name);
}

void fill_uniform_within(at::Tensor parameter, double bound, PhiloxKey key, std::uint64_t index) {
  std::vector<float> draws(static_cast<std::size_t>(parameter.numel()));
  fill_uniform(key, index, 0, draws);
  const at::Tensor unit = at::from_blob(draws.data(), parameter.sizes(), at::kFloat).to(parameter.scalar_type());
  parameter.copy_(unit * (2 * bound) - bound);
}

}  // namespace

std::string resolved_output(const Config& config) {
  if (config.model.output != "auto") return config.model.output;
  if (config.objective.likelihood == "bernoulli") return "identity";
  return config.data.range[0] < 0 ? "tanh" : "sigmoid";
}

NetworkOptions network_options(const Config& config, const SampleShape& shape) {
  NetworkOptions options;
  options.channels = shape.channels;
  options.height = shape.height;
  options.width = shape.width;
  options.latent_dim = config.model.latent_dim;
  options.hidden_dims = config.model.hidden_dims;
  options.activation = activation_named(config.model.activation);
  options.output = activation_named(resolved_output(config));
  options.predicts_variance = config.objective.likelihood == "gaussian" && config.objective.variance == "predicted";
  return options;
}

ResnetOptions resnet_options(const ModelConfig& model) { return {model.blocks, model.attention_at, model.latent == "spatial"}; }

LikelihoodOptions likelihood_options(const Config& config, const SampleShape& shape) {
  static const std::map<std::string, LikelihoodKind> kinds = {
      {"gaussian", LikelihoodKind::gaussian}, {"bernoulli", LikelihoodKind::bernoulli}, {"discretized_logistic", LikelihoodKind::discretized_logistic}};
  static const std::map<std::string, Variance> variances = {
      {"fixed", Variance::fixed}, {"learned", Variance::learned}, {"optimal", Variance::optimal}, {"predicted", Variance::predicted}};
  const ObjectiveConfig& objective = config.objective;
  return {kinds.at(objective.likelihood), variances.at(objective.variance), objective.sigma, config.data.range[0], config.data.range[1], shape.channels};
}

std::shared_ptr<LatentModel> make_model(const Config& config, const SampleShape& shape) {
  const NetworkOptions network = network_options(config, shape);
  const LikelihoodOptions likelihood = likelihood_options(config, shape);
  std::shared_ptr<LatentModel> model;
  const std::string& name = config.model.name;
  if (name == "autoencoder") model = std::make_shared<Autoencoder>(network, likelihood);
  else if (name == "decoder_only") model = std::make_shared<DecoderOnly>(network, likelihood);
  else if (name == "mlp_vae") model = std::make_shared<MlpVae>(network, likelihood);
  else if (name == "resnet_vae") model = std::make_shared<ResnetVae>(network, resnet_options(config.model), likelihood);
  else model = std::make_shared<VanillaVae>(network, likelihood);
  initialise_weights(*model, static_cast<std::uint64_t>(config.run.seed));
  model->to(config.train.precision == "fp64" ? at::kDouble : at::kFloat);
  model->use_bfloat16(config.train.precision == "bf16");
  // Module::to converts the counts too.
  for (const auto& buffer : model->named_buffers()) {
    at::Tensor tensor = buffer.value();
    if (buffer.key().ends_with("num_batches_tracked")) tensor.set_data(tensor.to(at::kLong));
  }
  return model;
}

void initialise_weights(LatentModel& model, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const PhiloxKey key = random_key(seed, Purpose::init, 0);
  std::uint64_t index = 0;
  const auto draw = [&](at::Tensor& weight, at::Tensor& bias) {
    // PyTorch's fan-in is weight.size(1) * kernel, for transposed convolutions too (torch.nn.init._calculate_fan_in_and_fan_out).
    const double bound = 1.0 / std::sqrt(static_cast<double>(weight[0].numel()));
    fill_uniform_within(weight, bound, key, index++);
    fill_uniform_within(bias, bound, key, index++);
  };
  for (const auto& module : model.modules()) {
    if (auto* convolution = module->as<torch::nn::Conv2d>()) draw(convolution->weight, convolution->bias);
    if (auto* transposed = module->as<torch::nn::ConvTranspose2d>()) draw(transposed->weight, transposed->bias);
    if (auto* linear = module->as<torch::nn::Linear>()) draw(linear->weight, linear->bias);
  }
}

NamedTensors trained_parameters(const LatentModel& model) {
  NamedTensors out;
  for (const auto& entry : model.named_parameters())
    if (entry.value().requires_grad()) out.emplace_back(entry.key(), entry.value());
  return out;
}

NamedTensors named_state(const LatentModel& model) {
  NamedTensors out;
  for (const auto& entry : model.named_parameters()) out.emplace_back(entry.key(), entry.value());
  for (const auto& entry : model.named_buffers()) out.emplace_back(entry.key(), entry.value());
  return out;
}

}  // namespace vae_dist
