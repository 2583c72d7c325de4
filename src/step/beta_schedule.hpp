// beta and the capacity C of a step: pure functions of the step.
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace vae_dist::step {

/// `objective.beta`:
///   constant  value
///   linear    from `from` to `to` over `steps` steps, then `to` (Bowman et al. 2016 anneal so)
///   cyclical  the same rise over the first `ratio` of every `period_steps` steps, then `to` until the period ends (Fu et al. 2019, eq. 6)
double beta_of_step(const config::BetaConfig& beta, std::int64_t step);

/// The largest beta that the schedule reaches.
double largest_beta(const config::BetaConfig& beta);

/// C in nats: from 0 to `max_nats` over `steps` steps (Burgess et al. 2018, section 5); 0 where there is no capacity.
double capacity_of_step(const config::CapacityConfig& capacity, std::int64_t step);

}  // namespace vae_dist::step
