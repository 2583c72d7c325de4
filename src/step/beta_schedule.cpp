#include "step/beta_schedule.hpp"

#include <algorithm>

namespace vae_dist::step {
namespace {

double rising(double from, double to, double share) { return from + (to - from) * std::min(1.0, share); }

}  // namespace

double beta_of_step(const config::BetaConfig& beta, std::int64_t step) {
  if (beta.schedule == "linear") return rising(beta.from, beta.to, static_cast<double>(step) / static_cast<double>(*beta.steps));
  if (beta.schedule == "cyclical") {
    const double place = static_cast<double>(step % *beta.period_steps) / static_cast<double>(*beta.period_steps);
    return rising(beta.from, beta.to, place / beta.ratio);
  }
  return beta.value;
}

double largest_beta(const config::BetaConfig& beta) { return beta.schedule == "constant" ? beta.value : std::max(beta.from, beta.to); }

double capacity_of_step(const config::CapacityConfig& capacity, std::int64_t step) {
  if (!capacity.gamma) return 0;
  return rising(0, *capacity.max_nats, static_cast<double>(step) / static_cast<double>(*capacity.steps));
}

}  // namespace vae_dist::step
