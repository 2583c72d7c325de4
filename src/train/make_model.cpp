#include "train/make_model.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>

#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "config/kld_weight_rule.hpp"

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

VanillaVaeOptions model_options(const Config& config, const ImageShape& shape) {
  VanillaVaeOptions options;
  options.channels = shape.channels;
  options.height = shape.height;
  options.width = shape.width;
  options.latent_dim = config.model.latent_dim;
  options.hidden_dims = config.model.hidden_dims;
  options.activation = activation_named(config.model.activation);
  const std::string by_range = config.data.range[0] < 0 ? "tanh" : "sigmoid";
  options.output = activation_named(config.model.output == "auto" ? by_range : config.model.output);
  return options;
}

VanillaVae make_model(const Config& config, const ImageShape& shape) {
  VanillaVae model(model_options(config, shape));
  initialise_weights(model, static_cast<std::uint64_t>(config.run.seed));
  model->to(config.train.precision == "fp64" ? at::kDouble : at::kFloat);
  // Module::to converts the counts too.
  for (BatchNorm2d layer : model->batch_norms()) layer->num_batches_tracked.set_data(layer->num_batches_tracked.to(at::kLong));
  return model;
}

void initialise_weights(VanillaVae& model, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const PhiloxKey key = random_key(seed, Purpose::init, 0);
  std::uint64_t index = 0;
  const auto draw = [&](at::Tensor& weight, at::Tensor& bias) {
    // PyTorch's fan-in is weight.size(1) * kernel, for transposed convolutions too (torch.nn.init._calculate_fan_in_and_fan_out).
    const double bound = 1.0 / std::sqrt(static_cast<double>(weight[0].numel()));
    fill_uniform_within(weight, bound, key, index++);
    fill_uniform_within(bias, bound, key, index++);
  };
  for (const auto& module : model->modules()) {
    if (auto* convolution = module->as<torch::nn::Conv2d>()) draw(convolution->weight, convolution->bias);
    if (auto* transposed = module->as<torch::nn::ConvTranspose2d>()) draw(transposed->weight, transposed->bias);
    if (auto* linear = module->as<torch::nn::Linear>()) draw(linear->weight, linear->bias);
  }
}

NamedTensors trained_parameters(const VanillaVae& model) {
  NamedTensors out;
  for (const auto& entry : model->named_parameters())
    if (entry.value().requires_grad()) out.emplace_back(entry.key(), entry.value());
  return out;
}

NamedTensors named_state(const VanillaVae& model) {
  NamedTensors out;
  for (const auto& entry : model->named_parameters()) out.emplace_back(entry.key(), entry.value());
  for (const auto& entry : model->named_buffers()) out.emplace_back(entry.key(), entry.value());
  return out;
}

ResolvedObjective resolve_objective(const Config& config, std::int64_t training_samples, const ImageShape& shape) {
  const ObjectiveConfig& objective = config.objective;
  const KldWeightConfig& weight = objective.kld_weight;
  ResolvedObjective out;
  out.loss.reduction = objective.reduction == "sum" ? Reduction::sum : Reduction::mean;
  out.loss.sigma = objective.sigma;
  out.beta = objective.beta.value;

  const std::string rule = kld_weight_rule(objective);

  KldWeightTerms& terms = out.kld_terms;
  terms.weight = weight.weight;
  terms.reference_batch = weight.batch;
  terms.global_batch = config.train.global_batch;
  terms.training_samples = training_samples;
  terms.reduction = out.loss.reduction;
  terms.image_values = shape.values();
  if (rule == "reference") {
    terms.rule = KldWeightRule::reference;
    out.rule = text("reference: ", weight.weight, " * ", terms.global_batch, " / ", weight.batch);
  } else if (rule == "batch_over_dataset") {
    terms.rule = KldWeightRule::batch_over_dataset;
    out.rule = text("batch_over_dataset: ", terms.global_batch, " / ", training_samples);
  } else if (rule == "fixed") {
    terms.rule = KldWeightRule::fixed;
    out.rule = "fixed";
  } else {
    terms.rule = KldWeightRule::elbo;
    out.rule = out.loss.reduction == Reduction::sum ? "elbo: 1" : text("elbo: 1 / ", shape.values());
  }
  if (weight.rule == "auto") out.rule += " (auto)";
  out.kld_weight = kld_weight(terms);
  return out;
}

}  // namespace vae_dist
