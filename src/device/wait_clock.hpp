// Measures how long a step waits for its gradient exchange with nothing else to do: the part of the
// exchange that backward did not hide.
#pragma once

#include "base/clock.hpp"

namespace vae_dist::device {

/// Call begin() and end() around the wait, in every step or only while a step is captured.
class WaitClock {
 public:
  virtual ~WaitClock() = default;
  virtual void begin() = 0;
  virtual void end() = 0;

  /// Returns the duration of the latest wait that is known to have ended. Never blocks.
  virtual base::Seconds latest() = 0;
};

/// Measures waits of the host.
class HostWaitClock final : public WaitClock {
 public:
  void begin() override { watch_.restart(); }
  void end() override { latest_ = watch_.elapsed(); }
  base::Seconds latest() override { return latest_; }

 private:
  base::Stopwatch watch_;
  base::Seconds latest_{0};
};

}  // namespace vae_dist::device
