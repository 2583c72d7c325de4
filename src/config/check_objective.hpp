// Objectives that have no meaning.
#pragma once

#include <optional>

#include "config/check_config.hpp"

namespace vae_dist::config {

/// The first contradiction among model, objective and what the model sees of the data; empty: none.
std::optional<Contradiction> find_contradiction_in_objective(const Config& config);

}  // namespace vae_dist::config
