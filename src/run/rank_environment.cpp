#include "run/rank_environment.hpp"

#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include "base/durable_file.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/gpu_facts.hpp"
#include "run/version.hpp"

namespace vae_dist::run {

std::string environment_text(const device::DeviceChoice& device) {
  const std::string nccl = comm::nccl_version(), gpu = device::gpu_environment_text(device.device);
  return base::text("vae_dist ", kVersion, " (program ", base::hash_name(base::hash_text(base::read_file("/proc/self/exe"))), "), torch ", TORCH_VERSION, nccl.empty() ? "" : ", NCCL " + nccl,
              gpu.empty() ? "" : ", " + gpu);
}

std::string arithmetic_text(const device::DeviceChoice& device) {
  if (device.device.is_cuda()) return device::gpu_environment_text(device.device);
  return base::text("CPU ", at::get_cpu_capability(), ", ", device.threads, device.threads == 1 ? " thread" : " threads");
}

}  // namespace vae_dist::run
