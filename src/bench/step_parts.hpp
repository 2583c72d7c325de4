// Measures where the time of steps goes, by the ranges that they mark (step/step_range.hpp).
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace vae_dist::bench {

/// Adds up the time of each range while it lives. On a GPU it waits for the device at the end of
/// each range, so that the device's work counts where it was issued. Work that usually overlaps
/// (the host's with the device's, backward with the exchange) then does not, and the sum is longer
/// than a step. On the CPU nothing changes. Only one may live at a time: a second one throws
/// std::logic_error.
class StepParts {
 public:
  explicit StepParts(c10::Device measured);
  ~StepParts();
  StepParts(const StepParts&) = delete;
  StepParts& operator=(const StepParts&) = delete;

  /// Returns the seconds since construction or the last call, by the ranges' names. Time in nested
  /// ranges counts in each of them.
  std::map<std::string, double> take();

 private:
  std::uint64_t callback_;
};

}  // namespace vae_dist::bench
