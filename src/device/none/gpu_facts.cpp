// Replaces the CUDA part of gpu_facts.hpp in a program without CUDA.
#include "device/gpu_facts.hpp"

#include "base/error.hpp"

namespace vae_dist::device {

bool has_cuda() { return false; }

int gpu_count() { return 0; }

std::vector<GpuIdentity> visible_gpus() { return {}; }

GpuFacts gpu_facts(c10::Device) { throw base::Failure("this program was built without CUDA"); }

}  // namespace vae_dist::device
