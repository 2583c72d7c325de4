// Where the time of steps goes, by the ranges that they mark (step/step_range.hpp).
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace vae_dist::bench {

/// While it lives, the time of each range is added up. On a GPU the device is waited for at the end
/// of each range, so that its work counts where it was asked for: what usually overlaps (the host's
/// work with the device's, backward with the exchange) then does not, and the sum is longer than a
/// step. On the CPU nothing changes. One at a time: a second one throws std::logic_error.
class StepParts {
 public:
  explicit StepParts(c10::Device device);
  ~StepParts();
  StepParts(const StepParts&) = delete;
  StepParts& operator=(const StepParts&) = delete;

  /// Seconds since the construction or the last call, by the ranges' names. Nested ranges count in
  /// each.
  std::map<std::string, double> take();

 private:
  std::uint64_t callback_;
};

}  // namespace vae_dist::bench
