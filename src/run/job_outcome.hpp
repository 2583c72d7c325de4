// Pushes the outcome of a job to the Pushgateway in metrics.push_gateway.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "metrics/outcome_push.hpp"
#include "metrics/run_metrics.hpp"

namespace vae_dist::run {

class JobOutcome {
 public:
  explicit JobOutcome(const config::Config& config);

  /// Notes that training begins after `first_step` steps. A job that ends before this call pushes
  /// no outcome; its error message says everything there is to know.
  void begin(std::int64_t first_step);

  /// Records the metrics of a finished step.
  void note(const metrics::StepMetrics& step);

  base::Seconds duration() const { return since_begin_.elapsed(); }

  /// Pushes "done", "stopped" or "failed" to metrics.push_gateway within `limit`. Logs a warning on
  /// failure. Pushes at most once per process. Thread-safe.
  void push(const std::string& outcome, base::Seconds limit);

 private:
  metrics::JobOwner owner_;
  std::optional<std::string> gateway_;
  std::atomic<bool> begun_ = false, pushed_ = false;
  std::atomic<std::int64_t> last_step_ = 0;
  std::atomic<double> loss_ = std::numeric_limits<double>::quiet_NaN();
  base::Stopwatch since_begin_;
};

}  // namespace vae_dist::run
