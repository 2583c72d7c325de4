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

cudaDeviceProp properties_of(int number) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, number), "cudaGetDeviceProperties");
  return properties;
}

std::string pci_bus_id(int number) {
  char id[32] = {};
  check(cudaDeviceGetPCIBusId(id, sizeof id, number), "cudaDeviceGetPCIBusId");
  return id;
}

std::string hexadecimal(const cudaUUID_t& uuid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char byte : uuid.bytes) {
    const auto value = static_cast<unsigned char>(byte);
    out += kDigits[value / 16];
    out += kDigits[value % 16];
  }
  return out;
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

std::vector<GpuIdentity> visible_gpus() {
  std::vector<GpuIdentity> out;
  for (int number = 0; number < gpu_count(); ++number)
    out.push_back({pci_bus_id(number), hexadecimal(properties_of(number).uuid)});
  return out;
}

GpuFacts gpu_facts(c10::Device device) {
  const cudaDeviceProp properties = properties_of(device.index());
  return {properties.name, pci_bus_id(device.index()), driver(),
          cudnn_version_text(at::detail::getCUDAHooks().versionRuntimeCuDNN()),
          properties.major >= 8};
}

}  // namespace vae_dist::device
