#include "objective/objective.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.hpp"
#include "objective/importance_weights.hpp"
#include "objective/kl_divergence.hpp"
#include "objective/script_loss.hpp"

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

at::Tensor zero_of(const model::Sample& sample) { return at::zeros({}, sample.x.options()); }

void report_values(const std::vector<at::Tensor>& regularisers, LossTerms& out) {
  for (const at::Tensor& values : regularisers)
    if (values.defined())
      for (const at::Tensor& value : values.detach().unbind()) out.extra_terms.push_back(value);
}

// Returns what critics read of a batch whose replicas, one after the other, are batches of their
// own.
CriticBatch critics_of_replicas(const at::Tensor& z, const at::Tensor& prior,
                                std::int64_t replicas) {
  const std::int64_t samples = z.size(0) / replicas;
  std::vector<at::Tensor> codes, is_permuted, weight;
  for (std::int64_t r = 0; r < replicas; ++r) {
    CriticBatch part =
        critic_batch(z.narrow(0, r * samples, samples), prior.narrow(0, r * samples, samples));
    codes.push_back(std::move(part.z));
    is_permuted.push_back(std::move(part.is_permuted));
    weight.push_back(std::move(part.weight));
  }
  return {at::cat(codes), at::cat(is_permuted), at::cat(weight)};
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

base::Term perplexity_term() {
  return {.name = "code_perplexity",
          .title = "Perplexity of the codes",
          .unit = "codes",
          .series = "vae_dist_code_perplexity",
          .help =
              "Perplexity of the codes of the last step's global batch: by how many codes that are "
              "used equally often it would be reached."};
}

base::Term codes_used_term() {
  return {.name = "codes_used",
          .title = "Codes in use",
          .unit = "codes",
          .series = "vae_dist_codes_used",
          .help = "Number of codes that a vector of the last step's global batch is nearest to."};
}

// How far the codes of an encoder are from those of the codebook, as a term of the loss.
Regulariser commitment_to_codes(const ObjectiveOptions& options, std::int64_t latent_values) {
  const double per = options.reduction == Reduction::mean ? static_cast<double>(latent_values) : 1;
  return {.terms = {{"commitment", options.commitment}},
          .value = MeanOverRows([per](const LatentRows& rows) {
            return model::VectorQuantizer::commitment(rows.z, rows.quantized) / per;
          }),
          .in_nats = false};
}

// The prefix lets a script's terms have any name.
base::Term script_term(const std::string& name) {
  return {.name = "loss_" + name,
          .title = "Loss term " + name,
          .unit = "",
          .series = "vae_dist_loss_term",
          .help = "Value that the loss of objective.script reported in the last step.",
          .labels = {{"term", name}}};
}

std::shared_ptr<const ScriptLoss> loaded_script(const std::string& file,
                                                model::LatentModel& model) {
  if (file.empty()) return nullptr;
  try {
    return std::make_shared<const ScriptLoss>(file, model);
  } catch (const std::invalid_argument& error) {
    throw base::BadInput(base::text("objective.script ", file, ": ", error.what()));
  }
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

Objective::Objective(const ObjectiveOptions& options, model::LatentModel& model)
    : options_(options),
      kind_(model.latent_kind()),
      latent_values_(model.latent_values()),
      script_(loaded_script(options.script, model)) {
  if (kind_ == base::LatentKind::none) {
    extra_terms_.push_back(effective_samples_term());
    for (const std::int64_t count : growing_counts(options.prior_samples))
      extra_terms_.push_back(log_p_term(count));
  } else if (options.importance_samples > 1) {
    extra_terms_.push_back(effective_samples_term());
  }
  // A frozen likelihood stays in evaluation mode, in which it follows nothing.
  follows_error_ = model.likelihood().traits().follows_error && model.likelihood().is_training();
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
  if (const model::VectorQuantizer* const codes = model.codes()) {
    // A step does not count frozen codes.
    if (codes->is_training()) {
      code_use_terms_ = extra_terms_.size();
      extra_terms_.push_back(perplexity_term());
      extra_terms_.push_back(codes_used_term());
    }
    options_.regularisers.push_back(commitment_to_codes(options_, latent_values_));
  }
  if (script_)
    for (std::size_t i = 1; i < script_->names().size(); ++i) {
      extra_terms_.push_back(script_term(script_->names()[i]));
      options_.script_terms.push_back(extra_terms_.back().name);
    }
  for (const Regulariser& regulariser : options_.regularisers)
    if (Critic* const critic = regulariser.critic()) critic->build(latent_values_);
  // The values of critics come last.
  std::vector<const Regulariser*> in_order;
  for (const bool critics : {false, true})
    for (const Regulariser& regulariser : options_.regularisers)
      if ((regulariser.critic() != nullptr) == critics) in_order.push_back(&regulariser);
  for (const Regulariser* const regulariser : in_order)
    for (const RegulariserTerm& term : regulariser->terms)
      extra_terms_.push_back(
          {.name = term.name,
           .title = "Regulariser " + term.name,
           .unit = "",
           .series = "vae_dist_regulariser",
           .help = "Unweighted value of a regulariser of the latent code in the last step.",
           .labels = {{"term", term.name}}});
}

bool Objective::draws_numbers() const { return script_ && script_->draws_numbers(); }

std::vector<at::Tensor> Objective::script_values(const model::LatentModel& model,
                                                 const Forward& forward,
                                                 const model::Sample& sample,
                                                 const StepWeights& weights) const {
  if (!script_) return {};
  return (*script_)(model, forward, sample, weights, 1);
}

at::Tensor Objective::add_script(const model::LatentModel& model, const Forward& forward,
                                 const model::Sample& sample, const StepWeights& weights,
                                 std::int64_t replicas, LossTerms& out) const {
  const std::vector<at::Tensor> values = (*script_)(model, forward, sample, weights, replicas);
  for (std::size_t i = 1; i < values.size(); ++i) out.extra_terms.push_back(values[i].detach());
  return values.front();
}

std::int64_t Objective::noise_per_sample(std::int64_t replica_samples) const {
  const std::int64_t prior = uses_prior() ? latent_values_ : 0;
  if (kind_ == base::LatentKind::point) return prior;
  if (kind_ == base::LatentKind::posterior)
    return latent_values_ * options_.importance_samples + prior;
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
  if (!is_standard()) return true;
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

bool Objective::uses_prior() const {
  return std::any_of(options_.regularisers.begin(), options_.regularisers.end(),
                     [](const Regulariser& each) { return each.uses_prior(); });
}

std::vector<at::Tensor> Objective::regulariser_values(const LatentRows& rows,
                                                      std::int64_t replicas) const {
  std::vector<at::Tensor> values;
  const std::int64_t samples = rows.z.size(0) / replicas;
  for (const Regulariser& regulariser : options_.regularisers) {
    if (regulariser.critic()) {
      values.emplace_back();
      continue;
    }
    if (replicas == 1) {
      values.push_back(regulariser.of(rows));
      continue;
    }
    std::vector<at::Tensor> parts;
    for (std::int64_t r = 0; r < replicas; ++r)
      parts.push_back(regulariser.of(rows.narrow(r * samples, samples)));
    values.push_back(at::stack(parts).mean(0));
  }
  return values;
}

// Returns the sum of a regulariser's values, each times its weight in this step.
at::Tensor Objective::weighted(std::size_t index, const at::Tensor& values,
                               const StepWeights& weights) const {
  const std::vector<RegulariserTerm>& terms = options_.regularisers[index].terms;
  at::Tensor sum;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (terms[i].weight == 0) continue;
    const at::Tensor part = terms[i].weight * values[static_cast<std::int64_t>(i)];
    sum = sum.defined() ? sum + part : part;
  }
  if (!sum.defined()) return at::zeros({}, values.options());
  const auto place = static_cast<std::int64_t>(index);
  if (weights.ramps_on_device.defined() && place < weights.ramps_on_device.size(0))
    return as_scalar_of(weights.ramps_on_device[place], sum) * sum;
  return index < weights.ramps.size() ? weights.ramps[index] * sum : sum;
}

at::Tensor Objective::regularised(at::Tensor loss, const std::vector<at::Tensor>& values,
                                  const StepWeights& weights) const {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i].defined()) loss = loss + weighted(i, values[i], weights);
  return loss;
}

bool Objective::has_critics() const {
  return std::any_of(options_.regularisers.begin(), options_.regularisers.end(),
                     [](const Regulariser& each) { return each.critic() != nullptr; });
}

void Objective::add_critics(const at::Tensor& z, const CriticBatch& batch,
                            const StepWeights& weights, LossTerms& out) const {
  for (std::size_t i = 0; i < options_.regularisers.size(); ++i) {
    const Critic* const critic = options_.regularisers[i].critic();
    if (!critic) continue;
    const at::Tensor value =
                         2 * (critic->values(z) * (1 - batch.is_permuted) * batch.weight).mean(),
                     loss = (critic->losses(batch.z, batch.is_permuted) * batch.weight).mean();
    out.loss = out.loss + weighted(i, at::stack({value, loss.detach()}), weights);
    out.critics = out.critics.defined() ? out.critics + loss : loss;
    out.extra_terms.push_back(value.detach());
    out.extra_terms.push_back(loss.detach());
  }
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
  const Forward through = forward(model, sample, /*decode=*/true);
  const auto& [posterior, z, prior, decoded] = through;
  const std::vector<at::Tensor> regularisers =
      regulariser_values({posterior, z, prior, decoded.quantized}, replicas);
  LossTerms out;
  out.reconstruction =
      mean_over_replicas(sample.size(), replicas, [&](std::int64_t first, std::int64_t count) {
        return reduced(model, decoded.narrow(first, count), sample.narrow(first, count));
      });
  if (model.likelihood().traits().follows_error)
    out.extra_terms = {model::Likelihood::squared_error(decoded, sample).detach()};
  if (code_use_terms_) out.extra_terms.insert(out.extra_terms.end(), 2, zero_of(sample));
  out.kld = posterior.is_point() ? zero_of(sample) : kl_divergence(posterior.mu, posterior.log_var);
  const at::Tensor loss = is_standard()
                              ? loss_of_replicas(through, out, weights, replicas)
                              : add_script(model, through, sample, weights, replicas, out);
  report_values(regularisers, out);
  out.loss = regularised(loss, regularisers, weights);
  if (has_critics()) add_critics(z, critics_of_replicas(z, prior, replicas), weights, out);
  return out;
}

at::Tensor Objective::loss_of_replicas(const Forward& forward, const LossTerms& terms,
                                       const StepWeights& weights, std::int64_t replicas) const {
  const model::Posterior& posterior = forward.posterior;
  if (posterior.is_point()) return terms.reconstruction;
  const at::Tensor all_charged =
      is_charged_as_a_sum()
          ? charged({terms.kld, {}}, weights)
          : mean_over_replicas(
                posterior.mu.size(0), replicas, [&](std::int64_t first, std::int64_t count) {
                  const at::Tensor kl = kl_per_dimension(posterior.mu.narrow(0, first, count),
                                                         posterior.log_var.narrow(0, first, count));
                  return charged(
                      {kl.sum(1).mean(), options_.free_bits > 0 ? kl.mean(0) : at::Tensor()},
                      weights);
                });
  return loss_of(terms.reconstruction, all_charged, weights);
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
