#include "run/job_outcome.hpp"

#include <cmath>
#include <exception>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/user_name.hpp"
#include "run/metrics_address.hpp"

namespace vae_dist::run {

JobOutcome::JobOutcome(const config::Config& config)
    : owner_{config.run.name, base::user_name(), batch_job()},
      gateway_(config.metrics.push_gateway) {}

void JobOutcome::begin(std::int64_t first_step) {
  last_step_ = first_step;
  since_begin_.restart();
  begun_ = true;
}

void JobOutcome::note(const metrics::StepMetrics& step) {
  last_step_ = step.step;
  if (!step.skipped) loss_ = step.loss;
}

void JobOutcome::push(const std::string& outcome, base::Seconds limit) {
  if (!gateway_ || !begun_ || pushed_.exchange(true)) return;
  metrics::JobOutcome end{outcome, last_step_, std::nullopt, duration()};
  if (const double loss = loss_; std::isfinite(loss)) end.loss = loss;
  try {
    metrics::push_outcome(*gateway_, owner_, end, limit);
  } catch (const std::exception& error) {
    log::warn(base::text(error.what(), " (metrics.push_gateway)"));
  }
}

}  // namespace vae_dist::run
