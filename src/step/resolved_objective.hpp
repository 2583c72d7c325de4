// The objective of a run, with all automatic choices of the configuration resolved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "objective/kld_weight.hpp"
#include "objective/objective.hpp"

namespace vae_dist::step {

/// training_samples: N, which some regularisers depend on. The weights of regularisers are as
/// configured; resolve_objective() multiplies those in nats by M_N under `reduction: mean`.
objective::ObjectiveOptions objective_options(const config::ObjectiveConfig& objective,
                                              std::int64_t training_samples = 1);

struct ResolvedObjective {
  objective::ObjectiveOptions options;
  base::LikelihoodTraits likelihood;
  objective::KldWeightTerms kld_terms;
  double kld_weight = 0;  ///< M_N
  std::string rule;       ///< as text for users: "reference: 0.00025 * 64 / 64"
  config::BetaConfig beta;
  config::CapacityConfig capacity;
  bool has_kld = true;  ///< false for autoencoders and decoder-only models
  std::uint64_t seed = 0;

  double beta_at(std::int64_t step) const;
  /// Returns M_N * beta, C, the regularisers' ramps and, keyed by seed and step, what candidates
  /// for unused codes and a network's own draws are taken by.
  objective::StepWeights weights_at(std::int64_t step) const;
  /// Returns the same of the schedules' ends, reached or not; empty if the loss has the
  /// same weights at every step.
  std::optional<objective::StepWeights> final_weights() const;
};

ResolvedObjective resolve_objective(const config::Config& config, std::int64_t training_samples,
                                    const arrays::SampleShape& shape);

/// Throws BadInput if the likelihood is a distribution over byte levels, but the images do not have
/// the 256 levels of bytes.
void check_likelihood_fits(const config::Config& config, const data::SampleDataset& dataset);

/// Whether negative log-likelihoods of this dataset are comparable. They are not for a likelihood
/// of zeros and ones on grey values, because it does not integrate to one.
bool is_likelihood_of(const config::Config& config, const data::SampleDataset& dataset);

}  // namespace vae_dist::step
