// What a job comes to, for the Pushgateway that metrics.push_gateway names.
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

class JobEnd {
 public:
  explicit JobEnd(const config::Config& config);

  /// Training begins after `first_step` steps. A job that ends before has no outcome: what it says
  /// is all there is to know.
  void begin(std::int64_t first_step);

  /// A step's numbers are known.
  void note(const metrics::StepMetrics& step);

  base::Seconds duration() const { return since_begin_.elapsed(); }

  /// Pushes "done", "stopped" or "failed" where metrics.push_gateway says, within `limit`; that
  /// this fails is a warning. At most one push a process, from any thread.
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
