// The part of gpu_facts.hpp that asks CUDA, in a program without it.
#include "device/gpu_facts.hpp"

#include "base/error.hpp"

namespace vae_dist::device {

bool has_cuda() { return false; }

int gpu_count() { return 0; }

GpuFacts gpu_facts(c10::Device) { throw base::Failure("this program has no CUDA"); }

}  // namespace vae_dist::device
