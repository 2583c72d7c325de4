// The parts of a step by name, for whoever watches: a profiler of torch, NVIDIA's tools, `vae_dist
// bench --profile`.
#pragma once

#include <ATen/record_function.h>

namespace vae_dist::step {

/// Marks what runs until its end as "data", "forward", "backward", "exchange" or "optimizer": a
/// user scope of torch's RecordFunction, and an NVTX range. Costs next to nothing while nobody
/// watches. Ranges of a thread nest.
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
