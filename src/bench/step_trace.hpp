// Records a trace of some steps for chrome://tracing or Perfetto.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>

namespace vae_dist::bench {

/// Records operators, ranges and, on a GPU, kernels and copies with Kineto (torch's profiler), from
/// construction to save(). A trace that is not saved is discarded.
class StepTrace {
 public:
  explicit StepTrace(c10::Device device);
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  /// Ends the recording and writes it to `file`. Throws Failure if the file was not written.
  void save(const std::filesystem::path& file);

 private:
  bool recording_ = true;
};

}  // namespace vae_dist::bench
