// Stands in for cuda_gpu_facts.cpp where the torch wheel brings no CUDA (a CPU wheel).
#include "base/error.hpp"
#include "device/gpu_facts.hpp"

namespace vae_dist::device {

GpuFacts gpu_facts(c10::Device) { throw base::Failure("this build has no CUDA"); }

}  // namespace vae_dist::device
