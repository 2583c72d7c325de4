// Measures time with a clock that never goes back, in seconds.
#pragma once

#include <chrono>

namespace vae_dist::base {

using Seconds = std::chrono::duration<double>;

/// Measures the time since its construction or the last restart().
class Stopwatch {
 public:
  Seconds elapsed() const { return Clock::now() - start_; }

  /// Returns the elapsed time and starts again from zero.
  Seconds restart() {
    const auto now = Clock::now();
    const Seconds lap = now - start_;
    start_ = now;
    return lap;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace vae_dist::base
