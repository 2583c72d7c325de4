#include "objective/objective.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "objective/importance_weights.hpp"
#include "objective/kl_divergence.hpp"

namespace vae_dist::objective {
namespace {

// Returns the mean over the batch's replicas of term(first sample, number of samples).
template <typename Term>
at::Tensor mean_over_replicas(std::int64_t batch, std::int64_t replicas, Term term) {
  const std::int64_t samples = batch / replicas;
  if (replicas == 1) return term(0, samples);
  std::vector<at::Tensor> parts;
  for (std::int64_t r = 0; r < replicas; ++r) parts.push_back(term(r * samples, samples));
  return at::stack(parts).mean();
}

// Converts `number` to the type of `like`. This rounds as arithmetic with a host scalar does.
at::Tensor as_scalar_of(const at::Tensor& number, const at::Tensor& like) {
  return number.to(like.scalar_type());
}

at::Tensor times(double factor, const at::Tensor& on_device, const at::Tensor& x) {
  return on_device.defined() ? as_scalar_of(on_device, x) * x : factor * x;
}

at::Tensor less(const at::Tensor& x, double number, const at::Tensor& on_device) {
  return on_device.defined() ? x - as_scalar_of(on_device, x) : x - number;
}

base::Term effective_samples_term() {
  return {.name = "effective_samples",
          .title = "Effective samples",
          .unit = "draws",
          .series = "vae_dist_effective_samples",
          .help =
              "Effective sample size of the importance weights in the last step, averaged over "
              "samples; 1 when a single draw has all the weight."};
}

base::Term log_p_term(std::int64_t draws) {
  const std::string number = std::to_string(draws);
  return {
      .name = "log_p_of_" + number + "_draws",
      .title = "log p(x) from " + number + (draws == 1 ? " draw" : " draws"),
      .unit = "nats per sample",
      .series = "vae_dist_log_p_nats",
      .help =
          "Estimate of log p(x) in the last step from this many draws of the prior, in nats per "
          "sample.",
      .labels = {{"draws", number}}};
}

}  // namespace

bool is_squared_error(const ObjectiveOptions& options, const base::LikelihoodTraits& likelihood) {
  return options.reduction == Reduction::mean && likelihood.fixed_sigma;
}

double reconstruction_nats(double reduced, const ObjectiveOptions& options,
                           const base::LikelihoodTraits& likelihood, std::int64_t values) {
  if (options.reduction == Reduction::sum) return reduced;
  const auto d = static_cast<double>(values);
  if (!is_squared_error(options, likelihood)) return reduced * d;
  const double variance = *likelihood.fixed_sigma * *likelihood.fixed_sigma;
  return d * (reduced / (2 * variance) + 0.5 * std::log(2 * std::numbers::pi * variance));
}

Objective::Objective(const ObjectiveOptions& options, const model::LatentModel& model)
    : options_(options), kind_(model.latent_kind()), latent_values_(model.latent_values()) {
  if (kind_ == base::LatentKind::none) {
    extra_terms_.push_back(effective_samples_term());
    for (const std::int64_t count : growing_counts(options.prior_samples))
      extra_terms_.push_back(log_p_term(count));
  } else if (options.importance_samples > 1) {
    extra_terms_.push_back(effective_samples_term());
  }
  if (model.likelihood().traits().follows_error) {
    squared_error_term_ = extra_terms_.size();
    extra_terms_.push_back(
        {.name = "squared_error",
         .title = "Squared error of the optimal sigma",
         .unit = "",
         .series = "vae_dist_squared_error",
         .help = "Mean squared error per value in the last step, which sets the optimal sigma.",
         .falls = true});
  }
  for (const Regulariser& regulariser : options.regularisers)
    extra_terms_.push_back(
        {.name = regulariser.term,
         .title = "Regulariser " + regulariser.term,
         .unit = "",
         .series = "vae_dist_regulariser",
         .help = "Unweighted value of a regulariser of the latent code in the last step.",
         .labels = {{"term", regulariser.term}}});
}

std::int64_t Objective::noise_per_sample(std::int64_t replica_samples) const {
  if (kind_ == base::LatentKind::point) return 0;
  if (kind_ == base::LatentKind::posterior) return latent_values_ * options_.importance_samples;
  return latent_values_ * ((options_.prior_samples + replica_samples - 1) / replica_samples);
}

at::Tensor Objective::reduced(const model::LatentModel& model, const model::Decoded& decoded,
                              const model::Sample& sample) const {
  const model::Likelihood& likelihood = model.likelihood();
  if (is_squared_error(options_, likelihood.traits()))
    return model::Likelihood::squared_error(decoded, sample);
  const at::Tensor nats = likelihood.negative_log(decoded, sample);
  // Each sample's mean is over its own observed values.
  if (sample.observed.defined() && options_.reduction == Reduction::mean)
    return (nats / model::observed_values(sample)).mean();
  return shown(nats.mean(), sample.x[0].numel());
}

bool Objective::is_charged_as_a_sum() const {
  return options_.capacity_gamma == 0 && options_.free_bits == 0;
}

at::Tensor Objective::charged(const MeanKl& kl, const StepWeights& weights) const {
  if (options_.capacity_gamma > 0)
    return less(kl.nats, weights.capacity_nats, weights.capacity_nats_on_device).abs();
  return options_.free_bits > 0 ? kl_with_free_bits(kl.of_dimensions, options_.free_bits) : kl.nats;
}

at::Tensor Objective::loss_of(const at::Tensor& reconstruction, const at::Tensor& charged,
                              const StepWeights& weights) const {
  if (options_.capacity_gamma > 0) return reconstruction + options_.capacity_gamma * charged;
  return reconstruction + times(weights.kld_factor, weights.kld_factor_on_device, charged);
}

std::vector<at::Tensor> Objective::regulariser_values(const model::Posterior& posterior,
                                                      const at::Tensor& z,
                                                      std::int64_t replicas) const {
  std::vector<at::Tensor> values;
  for (const Regulariser& regulariser : options_.regularisers)
    values.push_back(
        mean_over_replicas(z.size(0), replicas, [&](std::int64_t first, std::int64_t count) {
          return regulariser.value(
              {posterior.mu.narrow(0, first, count),
               posterior.is_point() ? at::Tensor() : posterior.log_var.narrow(0, first, count)},
              z.narrow(0, first, count));
        }));
  return values;
}

at::Tensor Objective::regularised(at::Tensor loss, const std::vector<at::Tensor>& values) const {
  for (std::size_t i = 0; i < values.size(); ++i)
    loss = loss + options_.regularisers[i].weight * values[i];
  return loss;
}

LossTerms Objective::terms(model::LatentModel& model, const model::Sample& sample,
                           const StepWeights& weights, std::int64_t replicas) const {
  if (model.latent_kind() == base::LatentKind::none)
    return without_encoder(model, sample, replicas);
  if (options_.importance_samples > 1) return importance_weighted(model, sample, replicas);
  return with_posterior(model, sample, weights, replicas);
}

LossTerms Objective::with_posterior(model::LatentModel& model, const model::Sample& sample,
                                    const StepWeights& weights, std::int64_t replicas) const {
  const model::Posterior posterior = model.encode(sample);
  const at::Tensor z = model::reparameterize(posterior, sample.noise);
  const model::Decoded decoded = model.decode(z, sample);
  const std::vector<at::Tensor> regularisers = regulariser_values(posterior, z, replicas);
  LossTerms out;
  out.reconstruction =
      mean_over_replicas(sample.size(), replicas, [&](std::int64_t first, std::int64_t count) {
        return reduced(model, decoded.narrow(first, count), sample.narrow(first, count));
      });
  if (model.likelihood().traits().follows_error)
    out.extra_terms = {model::Likelihood::squared_error(decoded, sample).detach()};
  for (const at::Tensor& value : regularisers) out.extra_terms.push_back(value.detach());
  if (posterior.is_point()) {
    out.kld = at::zeros({}, sample.x.options());
    out.loss = regularised(out.reconstruction, regularisers);
    return out;
  }
  out.kld = kl_divergence(posterior.mu, posterior.log_var);
  const at::Tensor all_charged =
      is_charged_as_a_sum()
          ? charged({out.kld, {}}, weights)
          : mean_over_replicas(
                sample.size(), replicas, [&](std::int64_t first, std::int64_t count) {
                  const at::Tensor kl = kl_per_dimension(posterior.mu.narrow(0, first, count),
                                                         posterior.log_var.narrow(0, first, count));
                  return charged(
                      {kl.sum(1).mean(), options_.free_bits > 0 ? kl.mean(0) : at::Tensor()},
                      weights);
                });
  out.loss = regularised(loss_of(out.reconstruction, all_charged, weights), regularisers);
  return out;
}

LossTerms Objective::importance_weighted(model::LatentModel& model, const model::Sample& sample,
                                         std::int64_t replicas) const {
  const std::int64_t batch = sample.size(), draws = options_.importance_samples,
                     latent = model.latent_values();
  const model::Posterior posterior = model.encode(sample);
  const at::Tensor eps = sample.noise.view({batch, draws, latent});
  const at::Tensor z =
      model::reparameterize({posterior.mu.unsqueeze(1), posterior.log_var.unsqueeze(1)}, eps);
  // Repeats each sample once per draw. The decoder does not need the noise.
  model::Sample repeated = sample;
  repeated.noise = at::Tensor();
  repeated =
      repeated.each([&](const at::Tensor& field) { return field.repeat_interleave(draws, 0); });
  const model::Decoded decoded = model.decode(z.view({batch * draws, latent}), repeated);
  std::vector<at::Tensor> parts;
  const std::int64_t samples = batch / replicas * draws;
  for (std::int64_t r = 0; r < replicas; ++r)
    parts.push_back(model.likelihood().negative_log(decoded.narrow(r * samples, samples),
                                                    repeated.narrow(r * samples, samples)));
  const at::Tensor negative_log = at::cat(parts).view({batch, draws});

  const at::Tensor log_weights = log_importance_weights(posterior, eps, negative_log);
  LossTerms out;
  out.loss = -log_mean_exp(log_weights).mean();
  out.reconstruction = negative_log.mean();
  out.kld = kl_divergence(posterior.mu, posterior.log_var);
  out.extra_terms = {effective_sample_size(log_weights.detach()).mean()};
  if (model.likelihood().traits().follows_error)
    out.extra_terms.push_back(model::Likelihood::squared_error(decoded, repeated).detach());
  return out;
}

LossTerms Objective::without_encoder(model::LatentModel& model, const model::Sample& sample,
                                     std::int64_t replicas) const {
  const std::int64_t samples = sample.size() / replicas, draws = options_.prior_samples,
                     latent = model.latent_values();
  const at::Tensor z = sample.noise.view({replicas, -1, latent})
                           .narrow(1, 0, draws)
                           .reshape({replicas * draws, latent});
  const model::Decoded decoded = model.decode(z);
  std::vector<at::Tensor> parts;
  for (std::int64_t r = 0; r < replicas; ++r)
    parts.push_back(-model.likelihood().negative_log_of_pairs(decoded.narrow(r * draws, draws),
                                                              sample.narrow(r * samples, samples)));
  const at::Tensor log_likelihoods = at::cat(parts);  // [B, K]

  LossTerms out;
  const at::Tensor nats = -log_mean_exp(log_likelihoods).mean();
  // Only the final value is divided by the number of pixels. Averaging over pixels inside the
  // logarithm would make the weights nearly uniform.
  out.loss = shown(nats, sample.x[0].numel());
  out.reconstruction = out.loss;
  out.kld = at::zeros({}, sample.x.options());
  const at::Tensor seen = log_likelihoods.detach();
  out.extra_terms.push_back(effective_sample_size(seen).mean());
  for (const std::int64_t count : growing_counts(draws))
    out.extra_terms.push_back(log_mean_exp(seen.narrow(1, 0, count)).mean());
  return out;
}

}  // namespace vae_dist::objective
