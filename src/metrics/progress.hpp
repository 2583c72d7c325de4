// The progress display of a run: one redrawn line with the ETA on a terminal, plain lines
// otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::metrics {

struct ProgressFacts {
  StepMetrics step = {};  ///< epochs are counted from 0 and shown from 1
  std::int64_t steps_planned = 0, epochs_planned = 0;
};

/// Returns h:mm:ss, rounded to seconds; "-:--:--" if negative or not finite.
std::string hours_minutes_seconds(base::Seconds time);

/// Returns "epoch 2/10  step 1200/5000  ETA 0:12:34  loss 0.01234  recon 0.01201  KL 12.6 nats
/// 5310 samples/s  waits: data 3%". Waits below 1 % of the step are left out. The most important
/// values come first because a narrow terminal cuts off the end.
std::string progress_text(const ProgressFacts& facts, double samples_per_second,
                          base::Seconds remaining);

class Progress {
 public:
  /// `enabled`: rank 0 only. `global_batch`: samples per step. `first_step`: steps done before this
  /// process took over.
  Progress(bool enabled, std::int64_t first_step, std::int64_t global_batch);

  /// Must be called at every step whose numbers are known. On a terminal, redraws the status line
  /// (base/log.hpp) at most ten times per second; otherwise prints a line if `due`.
  void show(const ProgressFacts& facts, bool due);

 private:
  /// Returns samples/s over about the last ten seconds.
  double recent_speed(std::int64_t step);

  bool enabled_;
  std::int64_t first_step_, last_step_, global_batch_;
  double recent_samples_ = 0;
  base::Seconds recent_time_{0};
  base::Stopwatch since_start_, since_shown_;
};

}  // namespace vae_dist::metrics
