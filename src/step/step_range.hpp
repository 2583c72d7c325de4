// Named parts of a step for profilers: torch's profiler, NVIDIA's tools, `vae_dist bench
// --profile`.
#pragma once

#include <ATen/record_function.h>

namespace vae_dist::step {

/// Marks the code that runs during its lifetime as "data", "forward", "backward", "exchange" or
/// "optimizer": as a user scope of torch's RecordFunction and as an NVTX range. Costs next to
/// nothing without a profiler. Ranges of a thread nest.
class StepRange {
 public:
  /// `name` outlives the range.
  explicit StepRange(const char* name);
  ~StepRange();
  StepRange(const StepRange&) = delete;
  StepRange& operator=(const StepRange&) = delete;

 private:
  at::RecordFunction record_;
};

}  // namespace vae_dist::step
