#include "bench/step_trace.hpp"

#include <torch/csrc/autograd/profiler_kineto.h>

#include "base/error.hpp"

namespace vae_dist::bench {
namespace {

namespace profiler = torch::profiler::impl;

std::set<profiler::ActivityType> activities(c10::Device device) {
  std::set<profiler::ActivityType> out = {profiler::ActivityType::CPU};
  if (device.is_cuda()) out.insert(profiler::ActivityType::CUDA);
  return out;
}

}  // namespace

StepTrace::StepTrace(c10::Device device) {
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
  torch::autograd::profiler::prepareProfiler(config, activities(device));
  torch::autograd::profiler::enableProfiler(config, activities(device));
}

StepTrace::~StepTrace() {
  if (recording_) torch::autograd::profiler::disableProfiler();
}

void StepTrace::save(const std::filesystem::path& file) {
  recording_ = false;
  torch::autograd::profiler::disableProfiler()->save(file.string());
  std::error_code missing;
  if (!std::filesystem::exists(file, missing))
    throw base::Failure(
        base::text("the trace ", file.string(),
                   " was not written: check that its directory exists and is writable"));
}

}  // namespace vae_dist::bench
