#include "model/latent_model.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "base/keyed_random.hpp"
#include "model/autocast.hpp"
#include "model/convolution.hpp"
#include "model/network_options.hpp"
#include "model/space.hpp"

namespace vae_dist::model {
namespace {

at::Tensor in_type_of(const at::Tensor& input, const at::Tensor& result) {
  return result.defined() ? result.to(input.scalar_type()) : result;
}

}  // namespace

Posterior LatentModel::encode(const Sample& sample) {
  const Autocast autocast(sample.x.device().type(), uses_bfloat16_);
  Posterior posterior = encode_sample(sample);
  return {in_type_of(sample.x, posterior.mu), in_type_of(sample.x, posterior.log_var)};
}

Decoded LatentModel::decode(const at::Tensor& z, const Sample& given) {
  at::Tensor latents = z, quantized;
  if (codes_) {
    quantized = codes_->quantize(z);
    latents = VectorQuantizer::straight_through(z, quantized);
  }
  const Autocast autocast(z.device().type(), uses_bfloat16_);
  Decoded decoded = decode_latents(latents, given);
  return {in_type_of(z, decoded.output), in_type_of(z, decoded.second), quantized};
}

VaeOutput LatentModel::forward(const Sample& sample) {
  const Posterior posterior = encode(sample);
  const Decoded decoded = decode(reparameterize(posterior, sample.noise), sample);
  return {likelihood().mean_image(decoded, sample), sample.x, posterior.mu, posterior.log_var};
}

std::uint64_t LatentModel::draw_seed(std::int64_t replica_of_batch) const {
  if (!is_training()) return 0;
  const base::PhiloxKey key = {static_cast<std::uint32_t>(seed_of_step_ >> 32),
                               static_cast<std::uint32_t>(seed_of_step_)};
  const base::PhiloxCounter words =
      base::random_block(key, static_cast<std::uint64_t>(replica_ + replica_of_batch), 0, 0);
  // One bit is left for the halves of a network.
  return (static_cast<std::uint64_t>(words[0]) << 32 | words[1]) >> 1;
}

void LatentModel::made_with(const NetworkOptions& options) {
  options_ = std::make_shared<NetworkOptions>(options);
}

Sample LatentModel::example(std::int64_t samples) const {
  if (!options_) throw std::logic_error("nobody told the network what it was made with");
  return batch_of_zeros(*options_, samples, parameters().front().options());
}

void LatentModel::use_convolutions(std::shared_ptr<kernels::ConvolutionChoice> choice) {
  convolutions_ = std::move(choice);
  convolutions_->train(is_training());
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* const layer = dynamic_cast<ConvolutionLayer*>(module.get()))
      layer->use_choice(convolutions_);
}

std::vector<BatchNorm> LatentModel::batch_norms() const {
  std::vector<BatchNorm> layers;
  for (const auto& module : modules(/*include_self=*/false))
    if (auto layer = std::dynamic_pointer_cast<BatchNormImpl>(module);
        layer && std::find(frozen_.begin(), frozen_.end(), module) == frozen_.end())
      layers.emplace_back(layer);
  return layers;
}

void LatentModel::freeze(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto belongs = [&](const std::string& other) {
      return other == name || other.starts_with(name + ".");
    };
    bool known = false;
    for (const auto& parameter : named_parameters())
      if (belongs(parameter.key())) {
        parameter.value().requires_grad_(false);
        known = true;
      }
    for (const auto& module : named_modules("", /*include_self=*/false))
      if (belongs(module.key())) {
        frozen_.push_back(module.value());
        known = true;
      }
    if (known) continue;
    std::string there;
    for (const auto& child : named_children()) there += (there.empty() ? "" : ", ") + child.key();
    throw std::invalid_argument(
        "'" + name + "' is neither a module nor a parameter of the model; its modules are " +
        there);
  }
  train(is_training());
}

void LatentModel::train(bool on) {
  Module::train(on);
  if (convolutions_) convolutions_->train(on);
  for (const auto& module : frozen_) module->eval();
}

void LatentModel::finish(std::int64_t latent_values, std::shared_ptr<Likelihood> likelihood) {
  latent_values_ = latent_values;
  likelihood_ = std::move(likelihood);
  if (likelihood_->keeps_something()) register_module("likelihood", likelihood_);
  use_convolutions(std::make_shared<kernels::ConvolutionChoice>());
}

void LatentModel::finish(const LatentShape& latent, std::shared_ptr<Likelihood> likelihood,
                         const std::optional<CodebookOptions>& codebook) {
  finish(latent.values(), std::move(likelihood));
  if (codebook)
    codes_ = register_module("codes", std::make_shared<VectorQuantizer>(*codebook, latent));
}

Sample batch_of_zeros(const NetworkOptions& options, std::int64_t samples,
                      const at::TensorOptions& type) {
  std::vector<std::int64_t> shape = batch_shape(options.channels, options.space);
  shape[0] = samples;
  const at::MemoryFormat format = memory_format(options.space.size(), options.channels_last);
  Sample out(at::zeros(shape, type).contiguous(format));
  if (options.encoder_channels > 0) {  // values may be missing: the encoder sees which
    out.observed = at::ones_like(out.x);
    out.seen = at::cat({out.x, out.observed}, 1).contiguous(format);
  }
  if (options.condition_values > 0)
    out.condition = at::zeros({samples, options.condition_values}, type);
  return out;
}

at::Tensor reparameterize(const Posterior& posterior, const at::Tensor& noise) {
  return posterior.is_point() ? posterior.mu : posterior.mu + (posterior.log_var / 2).exp() * noise;
}

at::Tensor clamp_log_var(const at::Tensor& log_var) { return log_var.clamp(-30.0, 20.0); }

}  // namespace vae_dist::model
