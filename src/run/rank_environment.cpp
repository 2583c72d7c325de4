#include "run/rank_environment.hpp"

#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include "base/text.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/gpu_facts.hpp"
#include "run/version.hpp"

namespace vae_dist::run {

std::string environment_text(const std::string& build_id, const device::DeviceChoice& device) {
  const std::string common = base::text("vae_dist ", kVersion, " (build ", build_id, "), torch ", TORCH_VERSION);
  if (!device.device.is_cuda()) return common;
  return base::text(common, ", NCCL ", comm::nccl_version(), ", ", device::gpu_environment_text(device.device));
}

std::string arithmetic_text(const device::DeviceChoice& device) {
  if (device.device.is_cuda()) return device::gpu_environment_text(device.device);
  return base::text("CPU ", at::get_cpu_capability(), ", ", device.threads, device.threads == 1 ? " thread" : " threads");
}

}  // namespace vae_dist::run
