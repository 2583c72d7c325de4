// Implements the part of gpu_facts.hpp that queries CUDA.
#include "device/gpu_facts.hpp"

#include <ATen/detail/CUDAHooksInterface.h>
#include <cuda_runtime_api.h>

#include <fstream>
#include <sstream>

#include "base/error.hpp"

namespace vae_dist::device {
namespace {

void check(cudaError_t result, const char* call) {
  if (result != cudaSuccess)
    throw base::Failure(base::text(call, " failed: ", cudaGetErrorString(result)));
}

std::string driver() {
  std::ostringstream told;
  told << std::ifstream("/proc/driver/nvidia/version").rdbuf();
  if (const std::string version = driver_version_in(told.str()); !version.empty()) return version;
  int newest_cuda = 0;  // major * 1000 + minor * 10
  check(cudaDriverGetVersion(&newest_cuda), "cudaDriverGetVersion");
  return base::text("for CUDA ", newest_cuda / 1000, ".", newest_cuda % 1000 / 10);
}

}  // namespace

bool has_cuda() { return true; }

int gpu_count() {
  const at::CUDAHooksInterface& cuda = at::detail::getCUDAHooks();
  return cuda.hasCUDA() ? static_cast<int>(cuda.deviceCount()) : 0;
}

GpuFacts gpu_facts(c10::Device device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device.index()), "cudaGetDeviceProperties");
  char bus_id[32] = {};
  check(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, device.index()), "cudaDeviceGetPCIBusId");
  return {properties.name, bus_id, driver(),
          cudnn_version_text(at::detail::getCUDAHooks().versionRuntimeCuDNN()),
          properties.major >= 8};
}

}  // namespace vae_dist::device
