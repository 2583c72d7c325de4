// The objective of a run with every rule resolved.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "objective/kld_weight.hpp"
#include "objective/objective.hpp"

namespace vae_dist {

ObjectiveOptions objective_options(const ObjectiveConfig& objective);

struct ResolvedObjective {
  ObjectiveOptions options;
  LikelihoodOptions likelihood;
  KldWeightTerms kld_terms;
  double kld_weight = 0;  ///< M_N
  std::string rule;       ///< for people: "reference: 0.00025 * 64 / 64"
  BetaConfig beta;
  CapacityConfig capacity;
  bool has_kld = true;    ///< an autoencoder and a decoder alone have none

  double beta_at(std::int64_t step) const;
  /// M_N * beta, and C.
  StepWeights weights_at(std::int64_t step) const;
};

ResolvedObjective resolve_objective(const Config& config, std::int64_t training_samples, const SampleShape& shape);

/// Throws BadInput where the images are not what the likelihood is a distribution of: discretized_logistic needs the 256 levels of bytes.
void check_likelihood_fits(const Config& config, const SampleDataset& dataset);

/// Whether negative logarithms of the likelihood are comparable numbers: not for a Bernoulli likelihood of grey values, which does not integrate to one.
bool is_likelihood_of(const Config& config, const SampleDataset& dataset);

}  // namespace vae_dist
