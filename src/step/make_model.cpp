#include "step/make_model.hpp"

#include <ATen/ATen.h>

#include <map>

#include "base/error.hpp"
#include "model/initial_weights.hpp"
#include "model/network_registry.hpp"

namespace vae_dist::step {
namespace {

model::Activation activation_named(const std::string& name) {
  static const std::map<std::string, model::Activation> kinds = {{"leaky_relu", model::Activation::leaky_relu}, {"relu", model::Activation::relu},       {"tanh", model::Activation::tanh},
                                                          {"silu", model::Activation::silu},             {"sigmoid", model::Activation::sigmoid}, {"identity", model::Activation::identity}};
  return kinds.at(name);
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
  const base::Network& network = base::Registry<base::Network>::all().at(config.model.name);
  const std::shared_ptr<model::LatentModel> model = model::make_network(network.name, {network_options(config, shape), config.model.own.of(network), likelihood_options(config, shape)});
  model::draw_initial_weights(*model, static_cast<std::uint64_t>(config.run.seed));
  model->to(config.train.precision == "fp64" ? at::kDouble : at::kFloat);
  model->use_bfloat16(config.train.precision == "bf16");
  // Module::to converts the counts too.
  for (const auto& buffer : model->named_buffers()) {
    at::Tensor tensor = buffer.value();
    if (buffer.key().ends_with("num_batches_tracked")) tensor.set_data(tensor.to(at::kLong));
  }
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
