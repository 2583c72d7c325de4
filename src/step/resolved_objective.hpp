// The objective of a run with every rule resolved.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "objective/kld_weight.hpp"
#include "objective/objective.hpp"

namespace vae_dist::step {

objective::ObjectiveOptions objective_options(const config::ObjectiveConfig& objective);

struct ResolvedObjective {
  objective::ObjectiveOptions options;
  base::LikelihoodTraits likelihood;
  objective::KldWeightTerms kld_terms;
  double kld_weight = 0;  ///< M_N
  std::string rule;       ///< for people: "reference: 0.00025 * 64 / 64"
  config::BetaConfig beta;
  config::CapacityConfig capacity;
  bool has_kld = true;  ///< an autoencoder and a decoder alone have none

  double beta_at(std::int64_t step) const;
  /// M_N * beta, and C.
  objective::StepWeights weights_at(std::int64_t step) const;
};

ResolvedObjective resolve_objective(const config::Config& config, std::int64_t training_samples,
                                    const data::SampleShape& shape);

/// Throws BadInput where the images are not what the likelihood is a distribution of: one of byte
/// levels needs the 256 levels of bytes.
void check_likelihood_fits(const config::Config& config, const data::SampleDataset& dataset);

/// Whether negative logarithms of the likelihood are comparable numbers: not for one of zeros and
/// ones on grey values, which does not integrate to one.
bool is_likelihood_of(const config::Config& config, const data::SampleDataset& dataset);

}  // namespace vae_dist::step
