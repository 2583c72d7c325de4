#include "train/run/job_end.hpp"

#include <cmath>
#include <exception>

#include "base/log.hpp"
#include "base/text.hpp"
#include "metrics/outcome_push.hpp"

namespace vae_dist {

JobEnd::JobEnd(const Config& config) : run_(config.run.name), gateway_(config.metrics.push_gateway) {}

void JobEnd::begin(std::int64_t first_step) {
  last_step_ = first_step;
  since_begin_.restart();
  begun_ = true;
}

void JobEnd::note(const StepMetrics& step) {
  last_step_ = step.step;
  if (!step.skipped) loss_ = step.loss;
}

void JobEnd::push(const std::string& outcome, Seconds limit) {
  if (!gateway_ || !begun_ || pushed_.exchange(true)) return;
  JobOutcome end{outcome, last_step_, std::nullopt, duration()};
  if (const double loss = loss_; std::isfinite(loss)) end.loss = loss;
  try {
    push_outcome(*gateway_, run_, end, limit);
  } catch (const std::exception& error) {
    log::warn(text(error.what(), " (metrics.push_gateway)"));
  }
}

}  // namespace vae_dist
