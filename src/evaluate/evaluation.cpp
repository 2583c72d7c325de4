#include "evaluate/evaluation.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "evaluate/keyed_noise.hpp"
#include "evaluate/read_samples.hpp"
#include "evaluate/shared_tasks.hpp"
#include "model/evaluation_mode.hpp"
#include "objective/importance_weights.hpp"
#include "objective/kl_divergence.hpp"

namespace vae_dist::evaluate {
namespace {

// Images decoded at once for importance samples. Bounds the memory of the activations.
constexpr std::int64_t kDecodedAtOnce = 1024;

model::Decoded in_double(const model::Decoded& decoded) {
  return {decoded.output.to(at::kDouble),
          decoded.second.defined() ? decoded.second.to(at::kDouble) : at::Tensor(),
          decoded.quantized};
}

double total_of(const at::Tensor& values) { return values.to(at::kDouble).sum().item<double>(); }

// The sums of one block over its samples, flattened in this order.
struct Sums {
  double loss = 0, reconstruction = 0, kld = 0, squared_error = 0, effective_samples = 0,
         log_jacobian = 0;
  // Where values are missing: how many are not, and -log p(x|z) of them.
  double observed = 0, nats_of_observed = 0;
  std::vector<double> log_p;                              // an entry per number of draws
  std::vector<double> kld_per_dimension, mu, mu_squared;  // [latent]
  std::vector<double> regularisers;                       // in the objective's order
  std::vector<double> script;  // of a loss from a script: its terms, its loss and, if the weights
                               // change over the steps, the loss at the final ones

  Sums(std::size_t counts, std::size_t latent, const objective::Objective& objective)
      : log_p(counts),
        kld_per_dimension(latent),
        mu(latent),
        mu_squared(latent),
        regularisers(objective::evaluated_terms(objective.options().regularisers).size()) {
    if (!objective.options().script.empty())
      script.resize(objective.options().script_terms.size() + 2);
  }

  std::vector<double> flat() const {
    std::vector<double> out = {loss,          reconstruction,    kld,
                               squared_error, effective_samples, log_jacobian,
                               observed,      nats_of_observed};
    for (const auto* part : {&log_p, &kld_per_dimension, &mu, &mu_squared, &regularisers, &script})
      out.insert(out.end(), part->begin(), part->end());
    return out;
  }
  void add(std::span<const double> entries) {
    auto next = entries.begin();
    for (double* value : {&loss, &reconstruction, &kld, &squared_error, &effective_samples,
                          &log_jacobian, &observed, &nats_of_observed})
      *value += *next++;
    for (auto* part : {&log_p, &kld_per_dimension, &mu, &mu_squared, &regularisers, &script})
      for (double& value : *part) value += *next++;
  }
};

std::vector<double> column_sums(const at::Tensor& rows) {
  const at::Tensor sums = rows.to(at::kCPU, at::kDouble).sum(0);
  return {sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + sums.numel()};
}

class BlockEvaluator {
 public:
  BlockEvaluator(model::LatentModel& model, const objective::Objective& objective,
                 const EvaluationOptions& options, std::vector<std::int64_t> counts)
      : model_(model), objective_(objective), options_(options), counts_(std::move(counts)) {
    // Every block uses the same draws of the prior.
    if (model_.latent_kind() == base::LatentKind::none)
      prior_draws_ = in_double(model_.decode(
          keyed_noise(model_, base::Purpose::prior, options_.seed, 0, counts_.back())));
  }

  Sums operator()(const model::Sample& batch, std::int64_t first) const {
    Sums out(counts_.size(),
             model_.latent_kind() == base::LatentKind::posterior
                 ? static_cast<std::size_t>(model_.latent_values())
                 : 0,
             objective_);
    if (model_.latent_kind() == base::LatentKind::none) {
      from_the_prior(batch, out);
    } else {
      from_the_code(batch, first, out);
    }
    return out;
  }

 private:
  void from_the_code(const model::Sample& batch, std::int64_t first, Sums& out) const {
    const std::int64_t count = batch.size();
    const auto n = static_cast<double>(count);
    const model::Posterior posterior = model_.encode(batch);
    model::Sample exact = batch;
    exact.x = batch.x.to(at::kDouble);
    const model::Decoded of_mean = model_.decode(posterior.mu, batch), at_mean = in_double(of_mean);
    out.squared_error =
        total_of(model::sum_of_observed(
                     (model_.likelihood().mean_image(at_mean, exact) - exact.x).square(), exact) /
                 model::observed_values(exact));
    if (posterior.is_point()) {
      out.loss = out.reconstruction = objective_.reduced(model_, at_mean, exact).item<double>() * n;
      add_regularisers({posterior, posterior.mu, {}, at_mean.quantized}, first, out);
      add_script({posterior, posterior.mu, {}, of_mean}, batch, out);
      return;
    }
    const at::Tensor z = model::reparameterize(
        posterior, keyed_noise(model_, base::Purpose::evaluation, options_.seed, first, count));
    const model::Decoded of_z = model_.decode(z, batch), drawn = in_double(of_z);
    add_regularisers({posterior, z, {}, drawn.quantized}, first, out);
    add_script({posterior, z, {}, of_z}, batch, out);
    out.reconstruction = objective_.reduced(model_, drawn, exact).item<double>() * n;

    if (batch.observed.defined()) {
      out.observed = batch.observed.to(at::kDouble).sum().item<double>();
      out.nats_of_observed = total_of(model_.likelihood().negative_log(drawn, exact));
    }

    const at::Tensor mu = posterior.mu.to(at::kDouble), log_var = posterior.log_var.to(at::kDouble);
    const at::Tensor kld = objective::kl_per_dimension(mu, log_var);
    out.kld = total_of(kld);
    out.kld_per_dimension = column_sums(kld);
    out.mu = column_sums(mu);
    out.mu_squared = column_sums(mu.square());
    if (!counts_.empty()) importance_weighted(batch, posterior, first, out);
  }

  // What looks at a whole batch sees the block.
  void add_regularisers(objective::LatentRows rows, std::int64_t first, Sums& out) const {
    const std::int64_t count = rows.z.size(0);
    if (objective_.uses_prior())
      rows.prior = keyed_noise(model_, base::Purpose::prior, options_.seed, first, count)
                       .to(rows.z.options());
    std::vector<at::Tensor> values = objective_.regulariser_values(rows);
    std::erase_if(values, [](const at::Tensor& each) { return !each.defined(); });
    if (values.empty()) return;
    const at::Tensor all = at::cat(values).to(at::kCPU, at::kDouble);
    for (std::size_t i = 0; i < out.regularisers.size(); ++i)
      out.regularisers[i] = all.const_data_ptr<double>()[i] * static_cast<double>(count);
  }

  // In the model's own precision, as in training.
  void add_script(const objective::Forward& forward, const model::Sample& batch, Sums& out) const {
    if (out.script.empty()) return;
    const auto n = static_cast<double>(batch.size());
    const auto values_at = [&](const objective::StepWeights& weights) {
      return objective_.script_values(model_, forward, batch, weights);
    };
    const std::vector<at::Tensor> values = values_at(options_.weights);
    const std::size_t terms = values.size() - 1;
    for (std::size_t i = 0; i < terms; ++i) out.script[i] = values[i + 1].item<double>() * n;
    out.script[terms] = values[0].item<double>() * n;
    if (options_.final_weights)
      out.script[terms + 1] = values_at(*options_.final_weights)[0].item<double>() * n;
  }

  void importance_weighted(const model::Sample& batch, const model::Posterior& posterior,
                           std::int64_t first, Sums& out) const {
    const std::int64_t count = batch.size(), latent = model_.latent_values(),
                       draws = counts_.back();
    const std::int64_t at_once = std::max<std::int64_t>(1, kDecodedAtOnce / count);
    std::vector<at::Tensor> pieces;
    for (std::int64_t done = 0; done < draws; done += at_once) {
      const std::int64_t part = std::min(at_once, draws - done);
      std::vector<at::Tensor> noises;
      for (std::int64_t k = 0; k < part; ++k)
        noises.push_back(keyed_noise(model_, base::Purpose::evaluation, options_.seed, first, count,
                                     static_cast<std::uint32_t>(done + k)));
      const at::Tensor noise = at::stack(noises, 1);  // [B, part, latent]
      const at::Tensor z =
          model::reparameterize({posterior.mu.unsqueeze(1), posterior.log_var.unsqueeze(1)}, noise);
      const model::Sample repeated =
          batch.each([&](const at::Tensor& field) { return field.repeat_interleave(part, 0); });
      const model::Decoded decoded = model_.decode(z.view({count * part, latent}), repeated);
      const at::Tensor negative_log =
          model_.likelihood().negative_log(decoded, repeated).view({count, part});
      pieces.push_back(objective::log_importance_weights(
          {posterior.mu.to(at::kDouble), posterior.log_var.to(at::kDouble)}, noise.to(at::kDouble),
          negative_log.to(at::kDouble)));
    }
    add_estimates(at::cat(pieces, 1), out);
  }

  void from_the_prior(const model::Sample& batch, Sums& out) const {
    add_estimates(-model_.likelihood().negative_log_of_pairs(prior_draws_, batch.x.to(at::kDouble)),
                  out);
    const double nats = -out.log_p.back();
    out.loss = out.reconstruction = objective_.shown(nats, batch.x[0].numel());
  }

  // log_weights: [B, draws].
  void add_estimates(const at::Tensor& log_weights, Sums& out) const {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      out.log_p[i] = total_of(objective::log_mean_exp(log_weights.narrow(1, 0, counts_[i])));
    out.effective_samples = total_of(objective::effective_sample_size(log_weights));
  }

  model::LatentModel& model_;
  const objective::Objective& objective_;
  const EvaluationOptions& options_;
  std::vector<std::int64_t> counts_;
  model::Decoded prior_draws_;  // only for a decoder-only model
};

// Computes the loss as training does, from the means over all samples; of_script: the mean of a
// script's loss, which then takes the place of reconstruction and KL.
double validation_loss(const objective::Objective& objective, const objective::StepWeights& weights,
                       const Evaluation& result, std::optional<double> of_script) {
  const std::int64_t draws = objective.options().importance_samples;
  if (draws > 1)
    for (const Evaluation::LogP& estimate : result.log_p)
      if (estimate.draws == draws) return -estimate.nats;
  const auto scalar = [](double value) { return at::scalar_tensor(value, at::kDouble); };
  const objective::StepWeights on_host{weights.kld_factor, weights.capacity_nats, weights.ramps};
  // A point latent has no KL.
  at::Tensor loss = scalar(of_script.value_or(result.reconstruction));
  if (result.active_units && !of_script) {
    const objective::MeanKl kl{scalar(result.kld_nats),
                               at::tensor(result.kld_per_dimension, at::kDouble)};
    loss =
        objective.loss_of(scalar(result.reconstruction), objective.charged(kl, on_host), on_host);
  }
  std::vector<at::Tensor> values;
  std::size_t next = 0;
  for (const objective::Regulariser& each : objective.options().regularisers) {
    if (each.critic()) {
      values.emplace_back();
      continue;
    }
    std::vector<double> of_terms;
    for (std::size_t i = 0; i < each.terms.size(); ++i)
      of_terms.push_back(result.regularisers.at(next++).second);
    values.push_back(at::tensor(of_terms, at::kDouble));
  }
  return objective.regularised(loss, values, on_host).item<double>();
}

// Returns the bits to add to a density of 256-level values on [low, high] for their probability.
double levels_in_bits(base::Support support, const data::InputFormat& format) {
  if (format.normaliser || support != base::Support::reals) return 0;
  return 8 - std::log2(format.high - format.low);
}

}  // namespace

std::vector<std::int64_t> counts_of_draws(base::LatentKind kind,
                                          const objective::ObjectiveOptions& objective,
                                          const EvaluationOptions& options) {
  if (kind == base::LatentKind::none) return objective::growing_counts(objective.prior_samples);
  if (kind == base::LatentKind::point) return {};
  std::vector<std::int64_t> counts;
  if (options.importance_samples > 0 && options.is_likelihood)
    counts = objective::growing_counts(options.importance_samples);
  if (objective.importance_samples > 1) counts.push_back(objective.importance_samples);
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  return counts;
}

Evaluation evaluate(model::LatentModel& model, const objective::Objective& objective,
                    const data::SampleDataset& dataset, const EvaluationOptions& options,
                    comm::CpuCommunicator& all_ranks) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation_mode(model);
  const base::LatentKind kind = model.latent_kind();
  const std::vector<std::int64_t> counts = counts_of_draws(kind, objective.options(), options);
  Sums total(
      counts.size(),
      kind == base::LatentKind::posterior ? static_cast<std::size_t>(model.latent_values()) : 0,
      objective);
  const std::size_t entries = total.flat().size();

  const BlockEvaluator evaluate_block(model, objective, options, counts);
  const std::int64_t blocks = (options.samples + options.block - 1) / options.block;
  // A script may need several samples, of which a smaller last block might not have enough.
  const auto begin_of = [&](std::int64_t b) {
    return objective.is_standard() ? std::min(b * options.block, options.samples)
                                   : b * options.samples / blocks;
  };
  const std::vector<double> sums = measure_blocks(blocks, entries, all_ranks, [&](std::int64_t b) {
    const std::int64_t first = options.first + begin_of(b), count = begin_of(b + 1) - begin_of(b);
    const std::vector<std::uint8_t> stored = read_samples(dataset, first, count);
    const model::Sample batch =
        completed(data::model_input(stored, options.format), dataset, first, options.format);
    Sums of_block = evaluate_block(batch, first);
    if (options.format.normaliser)
      of_block.log_jacobian = total_of(options.format.normaliser->log_jacobian(
          data::in_model_order(data::stored_pixels(stored, options.format), options.format)));
    return of_block.flat();
  });
  for (std::int64_t b = 0; b < blocks; ++b)
    total.add(std::span(sums).subspan(static_cast<std::size_t>(b) * entries, entries));

  const auto n = static_cast<double>(options.samples),
             span = options.format.high - options.format.low;
  Evaluation out;
  out.samples = options.samples;
  out.conditional = dataset.conditions() != nullptr;
  out.fixed_sigma = options.fixed_sigma;
  out.reconstruction = total.reconstruction / n;
  out.kld_nats = total.kld / n;
  out.reconstructs = kind != base::LatentKind::none;
  out.mse = out.reconstructs ? total.squared_error / (n * span * span) : std::nan("");
  for (std::size_t i = 0; i < counts.size(); ++i)
    out.log_p.push_back({counts[i], total.log_p[i] / n});
  if (!counts.empty()) out.effective_samples = total.effective_samples / n;
  out.loss = total.loss / n;
  if (kind != base::LatentKind::none)
    for (std::size_t i = 0; i < total.regularisers.size(); ++i)
      out.regularisers.emplace_back(
          objective::evaluated_terms(objective.options().regularisers)[i].name,
          total.regularisers[i] / n);
  const std::vector<std::string>& script_terms = objective.options().script_terms;
  for (std::size_t i = 0; i < script_terms.size(); ++i)
    out.script_terms.emplace_back(script_terms[i], total.script[i] / n);
  std::optional<double> of_script, of_script_at_end;
  if (!total.script.empty()) {
    of_script = total.script[script_terms.size()] / n;
    of_script_at_end = total.script[script_terms.size() + 1] / n;
  }
  if (kind == base::LatentKind::point)
    out.loss = validation_loss(objective, options.weights, out, of_script);
  // From here on the likelihoods are those of the file's values.
  const double log_jacobian = total.log_jacobian / n;
  const auto add_jacobian = [&] {
    for (Evaluation::LogP& estimate : out.log_p) estimate.nats += log_jacobian;
  };
  if (kind != base::LatentKind::posterior) return add_jacobian(), out;

  out.active_units = 0;
  for (std::size_t j = 0; j < total.mu.size(); ++j) {
    const double mean = total.mu[j] / n;
    out.kld_per_dimension.push_back(total.kld_per_dimension[j] / n);
    out.latent_variance.push_back(total.mu_squared[j] / n - mean * mean);
    *out.active_units += out.latent_variance.back() > Evaluation::kActiveVariance;
  }
  if (options.is_likelihood) {
    const bool masked = total.observed > 0;
    const double values =
        masked ? total.observed / n : static_cast<double>(options.format.shape.values());
    const double nats = masked ? total.nats_of_observed / n
                               : objective::reconstruction_nats(
                                     out.reconstruction, objective.options(),
                                     model.likelihood().traits(), options.format.shape.values());
    out.elbo_nats = -nats - out.kld_nats + log_jacobian;
    out.bits_per_dim = -*out.elbo_nats / (values * std::log(2.0)) +
                       levels_in_bits(model.likelihood().traits().support, options.format);
  }
  out.loss = validation_loss(objective, options.weights, out, of_script);
  if (options.final_weights)
    out.final_loss = validation_loss(objective, *options.final_weights, out, of_script_at_end);
  add_jacobian();
  return out;
}

}  // namespace vae_dist::evaluate
