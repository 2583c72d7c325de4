#include "step/resolved_objective.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "step/make_model.hpp"
#include "step/schedules.hpp"

namespace vae_dist::step {

objective::ObjectiveOptions objective_options(const config::ObjectiveConfig& objective,
                                              std::int64_t training_samples) {
  objective::ObjectiveOptions options;
  options.reduction = objective.reduction == config::Reduction::sum ? objective::Reduction::sum
                                                                    : objective::Reduction::mean;
  const bool scripted = objective.name == config::ObjectiveName::script;
  options.script = scripted ? objective.script.value() : "";
  options.free_bits = scripted ? 0 : objective.free_bits;
  options.capacity_gamma = scripted ? 0 : objective.capacity.gamma.value_or(0);
  options.importance_samples = scripted ? 1 : objective.importance_samples;
  options.prior_samples = objective.prior_samples;
  options.regularisers = objective::make_regularisers(objective.regularisers, training_samples);
  options.whole_batch = objective.scope == config::Scope::global;
  return options;
}

double ResolvedObjective::beta_at(std::int64_t step) const { return beta_of_step(beta, step); }

objective::StepWeights ResolvedObjective::weights_at(std::int64_t step) const {
  objective::StepWeights out{kld_weight * beta_at(step), capacity_of_step(capacity, step)};
  for (const objective::Regulariser& each : options.regularisers)
    out.ramps.push_back(each.ramp(step));
  std::array<float, 1> draw{};
  base::fill_uniform(base::random_key(seed, base::Purpose::codes, 0),
                     static_cast<std::uint64_t>(step), 0, draw);
  out.code_draw = draw[0];
  const base::PhiloxKey network = base::random_key(seed, base::Purpose::network, 0);
  const base::PhiloxCounter words =
      base::random_block(network, static_cast<std::uint64_t>(step), 0, 0);
  out.network_seed = static_cast<std::uint64_t>(words[0]) << 32 | words[1];
  return out;
}

std::optional<objective::StepWeights> ResolvedObjective::final_weights() const {
  const double last = final_beta(beta);
  // With a capacity, beta has no effect.
  const bool ramps = std::any_of(options.regularisers.begin(), options.regularisers.end(),
                                 [](const auto& each) { return each.ramp_steps > 0; });
  const bool move = options.capacity_gamma > 0
                        ? final_capacity(capacity) != 0
                        : beta.schedule != config::BetaSchedule::constant && beta.from != last;
  if (!ramps && (!has_kld || !move)) return std::nullopt;
  return objective::StepWeights{kld_weight * last, final_capacity(capacity)};
}

ResolvedObjective resolve_objective(const config::Config& config, std::int64_t training_samples,
                                    const arrays::SampleShape& shape) {
  const config::ObjectiveConfig& objective = config.objective;
  const config::KldWeightConfig& weight = objective.kld_weight;
  ResolvedObjective out;
  out.options = objective_options(objective, training_samples);
  out.options.commitment = config.model.codes.commitment;
  out.seed = static_cast<std::uint64_t>(config.run.seed);
  out.likelihood = config::likelihood_traits(objective);
  out.beta = objective.beta;
  out.capacity = objective.capacity;
  out.has_kld = config::latent_kind(config.model) == base::LatentKind::posterior;

  objective::KldWeightTerms& terms = out.kld_terms;
  terms.weight = weight.weight;
  terms.reference_batch = weight.batch;
  terms.global_batch = config.train.global_batch;
  terms.training_samples = training_samples;
  terms.reduction = out.options.reduction;
  terms.image_values = shape.values();
  switch (config::kld_weight_rule(objective)) {
    case config::KldWeightRule::reference:
      terms.rule = objective::KldWeightRule::reference;
      out.rule =
          base::text("reference: ", weight.weight, " * ", terms.global_batch, " / ", weight.batch);
      break;
    case config::KldWeightRule::batch_over_dataset:
      terms.rule = objective::KldWeightRule::batch_over_dataset;
      out.rule = base::text("batch_over_dataset: ", terms.global_batch, " / ", training_samples);
      break;
    case config::KldWeightRule::fixed:
      terms.rule = objective::KldWeightRule::fixed;
      out.rule = "fixed";
      break;
    case config::KldWeightRule::elbo:
      terms.rule = objective::KldWeightRule::elbo;
      out.rule = out.options.reduction == objective::Reduction::sum
                     ? "elbo: 1"
                     : base::text("elbo: 1 / ", shape.values());
      break;
    case config::KldWeightRule::automatic:
      throw std::logic_error("objective.kld_weight.rule was not resolved");
  }
  if (weight.rule == config::KldWeightRule::automatic) out.rule += " (auto)";
  out.kld_weight = out.has_kld ? objective::kld_weight(terms) : 0;
  // Under `mean` the reconstruction is not in nats, and M_N weighs nats against it.
  if (out.has_kld && objective.reduction == config::Reduction::mean)
    for (objective::Regulariser& each : out.options.regularisers)
      if (each.in_nats)
        for (objective::RegulariserTerm& term : each.terms) term.weight *= out.kld_weight;
  return out;
}

void check_likelihood_fits(const config::Config& config, const data::SampleDataset& dataset) {
  const base::Support support = config::likelihood_traits(config.objective).support;
  if (support == base::Support::counts && dataset.scale() != 1)
    throw base::BadInput(base::text("objective.likelihood is ", config.objective.likelihood.name,
                                    ", which needs counts as they are stored, but ",
                                    dataset.description(), " is multiplied by ", dataset.scale(),
                                    ". Set its scale to 1."));
  if (support != base::Support::byte_levels) return;
  const bool has_levels =
      dataset.type() == arrays::PixelType::uint8 && std::abs(dataset.scale() * 255 - 1) < 1e-9;
  if (!has_levels)
    throw base::BadInput(
        base::text("objective.likelihood is ", config.objective.likelihood.name,
                   ", which assigns a probability to each of the 256 levels of a byte, but ",
                   dataset.description(),
                   " has other values. Use gaussian, or bernoulli for values 0 and 1."));
}

bool is_likelihood_of(const config::Config& config, const data::SampleDataset& dataset) {
  if (config::likelihood_traits(config.objective).support != base::Support::zero_or_one)
    return true;
  return config.data.binarize != config::Binarize::none ||
         (dataset.type() == arrays::PixelType::uint8 && dataset.scale() == 1);
}

}  // namespace vae_dist::step
