#include "run/rank_environment.hpp"

#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include "base/durable_file.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/gpu_facts.hpp"
#include "run/version.hpp"

namespace vae_dist {

std::string environment_text(const DeviceChoice& device) {
  const std::string nccl = nccl_version(), gpu = gpu_environment_text(device.device);
  return text("vae_dist ", kVersion, " (program ", hash_name(hash_text(read_file("/proc/self/exe"))), "), torch ", TORCH_VERSION, nccl.empty() ? "" : ", NCCL " + nccl,
              gpu.empty() ? "" : ", " + gpu);
}

std::string arithmetic_text(const DeviceChoice& device) {
  if (device.device.is_cuda()) return gpu_environment_text(device.device);
  return text("CPU ", at::get_cpu_capability(), ", ", device.threads, device.threads == 1 ? " thread" : " threads");
}

}  // namespace vae_dist
