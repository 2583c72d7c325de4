#include "step/make_model.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>

#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "model/network_registry.hpp"

namespace vae_dist::step {
namespace {

model::Activation activation_named(const std::string& name) {
  static const std::map<std::string, model::Activation> kinds = {{"leaky_relu", model::Activation::leaky_relu}, {"relu", model::Activation::relu},       {"tanh", model::Activation::tanh},
                                                          {"silu", model::Activation::silu},             {"sigmoid", model::Activation::sigmoid}, {"identity", model::Activation::identity}};
  return kinds.at(name);
}

void fill_uniform_within(at::Tensor parameter, double bound, base::PhiloxKey key, std::uint64_t index) {
  std::vector<float> draws(static_cast<std::size_t>(parameter.numel()));
  base::fill_uniform(key, index, 0, draws);
  const at::Tensor unit = at::from_blob(draws.data(), parameter.sizes(), at::kFloat).to(parameter.scalar_type());
  parameter.copy_(unit * (2 * bound) - bound);
}

}  // namespace

std::string resolved_output(const config::Config& config) {
  if (config.model.output != "auto") return config.model.output;
  if (config.objective.likelihood == "bernoulli") return "identity";
  return config.data.range[0] < 0 ? "tanh" : "sigmoid";
}

model::NetworkOptions network_options(const config::Config& config, const data::SampleShape& shape) {
  model::NetworkOptions options;
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

model::LikelihoodOptions likelihood_options(const config::Config& config, const data::SampleShape& shape) {
  static const std::map<std::string, model::LikelihoodKind> kinds = {
      {"gaussian", model::LikelihoodKind::gaussian}, {"bernoulli", model::LikelihoodKind::bernoulli}, {"discretized_logistic", model::LikelihoodKind::discretized_logistic}};
  static const std::map<std::string, model::Variance> variances = {
      {"fixed", model::Variance::fixed}, {"learned", model::Variance::learned}, {"optimal", model::Variance::optimal}, {"predicted", model::Variance::predicted}};
  const config::ObjectiveConfig& objective = config.objective;
  return {kinds.at(objective.likelihood), variances.at(objective.variance), objective.sigma, config.data.range[0], config.data.range[1], shape.channels};
}

std::shared_ptr<model::LatentModel> make_model(const config::Config& config, const data::SampleShape& shape) {
  const std::string& name = config.model.name;
  const base::Network* const network = base::Registry<base::Network>::all().find(name);
  const std::shared_ptr<model::LatentModel> model =
      model::make_network(name, {network_options(config, shape), network ? config.model.own.of(*network) : std::any(), likelihood_options(config, shape)});
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

void initialise_weights(model::LatentModel& model, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const base::PhiloxKey key = base::random_key(seed, base::Purpose::init, 0);
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
