// A trace of some steps, for chrome://tracing or Perfetto.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>

namespace vae_dist::bench {

/// From its construction to save() operators, ranges and, on a GPU, kernels and copies are recorded
/// by Kineto (torch's profiler). Not saved: thrown away.
class StepTrace {
 public:
  explicit StepTrace(c10::Device device);
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  /// Ends the recording. Throws Failure where the file was not written.
  void save(const std::filesystem::path& file);

 private:
  bool recording_ = true;
};

}  // namespace vae_dist::bench
