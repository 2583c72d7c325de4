// The model of a GPU and the versions of its software: the part of a rank's environment that can
// change the bits of a result.
#pragma once

#include <c10/core/Device.h>

#include <compare>
#include <string>
#include <vector>

namespace vae_dist::device {

/// Returns whether this program is linked with CUDA: vae_dist_cuda is, vae_dist is not.
bool has_cuda();

/// Returns how many GPUs this program can use: 0 without CUDA, without a driver that CUDA accepts,
/// or if all GPUs are hidden (CUDA_VISIBLE_DEVICES).
int gpu_count();

/// Tells GPUs of a node apart, whatever numbers a process gives them.
struct GpuIdentity {
  std::string pci_bus_id;  ///< of the card: "0000:1B:00.0"
  std::string uuid;        ///< 32 hexadecimal digits; the parts of a card (MIG) have their own
  friend auto operator<=>(const GpuIdentity&, const GpuIdentity&) = default;
};

/// Returns the GPUs that this program can use, by number. Throws Failure if CUDA does not respond.
std::vector<GpuIdentity> visible_gpus();

struct GpuFacts {
  std::string model;                 ///< "NVIDIA H100 80GB HBM3"
  std::string pci_bus_id;            ///< "0000:1B:00.0"
  std::string driver;                ///< "580.159.04"; "for CUDA 13.0" if the version is unknown
  std::string cudnn;                 ///< loaded version, "9.15.1"
  bool multiplies_bfloat16 = false;  ///< from compute capability 8.0 on
};

/// Returns the facts about a CUDA device. Throws Failure if CUDA does not respond, and always
/// without has_cuda().
GpuFacts gpu_facts(c10::Device device);

/// Returns what all ranks must have in common besides program and libraries: "NVIDIA H100 80GB
/// HBM3, driver 580.159.04, cuDNN 9.15.1, NCCL_ALGO=Ring". Empty on the CPU.
std::string gpu_environment_text(c10::Device device);

/// Returns the NCCL settings in an environment ("NAME=value" each) on which ranks must agree so
/// that they choose the same algorithms and can connect, sorted and joined: "NCCL_ALGO=Ring,
/// NCCL_PROTO=Simple". Leaves out names of interfaces, hosts and files, which may differ between
/// nodes. Pure.
std::string common_nccl_settings(const std::vector<std::string>& environment);

/// Returns the driver version in the text of /proc/driver/nvidia/version, or an empty string if
/// there is none. Pure.
std::string driver_version_in(const std::string& told);

/// Formats a cuDNN version: "9.15.1" for 91501, "8.9.7" for 8907. Pure.
std::string cudnn_version_text(long version);

}  // namespace vae_dist::device
