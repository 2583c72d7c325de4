// Time that only moves forward, in seconds.
#pragma once

#include <chrono>

namespace vae_dist::base {

using Seconds = std::chrono::duration<double>;

/// Runs from its construction or the last restart().
class Stopwatch {
 public:
  Seconds elapsed() const { return Clock::now() - start_; }

  /// The time since the start, and starts again.
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
