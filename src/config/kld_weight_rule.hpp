// Which rule for M_N a config asks for.
#pragma once

#include <string>

#include "config/config.hpp"

namespace vae_dist::config {

/// `objective.kld_weight.rule` with `auto` resolved: `reference` for the seed's objective (gaussian, fixed, mean), else `elbo`.
inline std::string kld_weight_rule(const ObjectiveConfig& objective) {
  if (objective.kld_weight.rule != "auto") return objective.kld_weight.rule;
  const bool seeds_own = objective.likelihood == "gaussian" && objective.variance == "fixed" && objective.reduction == "mean";
  return seeds_own ? "reference" : "elbo";
}

}  // namespace vae_dist::config
