// How long a step waits for its exchange with nothing else to do: the part that backward did not
// hide.
#pragma once

#include "base/clock.hpp"

namespace vae_dist::device {

/// begin() and end() stand around the wait, in every step or in the captured one alone.
class WaitClock {
 public:
  virtual ~WaitClock() = default;
  virtual void begin() = 0;
  virtual void end() = 0;

  /// Of the latest wait whose end is known. Never waits for it.
  virtual base::Seconds latest() = 0;
};

/// Where whoever waits is the host.
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
