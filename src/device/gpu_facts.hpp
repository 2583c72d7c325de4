// What a GPU is, and what runs it: the part of a rank's environment that can change bits.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace vae_dist::device {

/// Whether this program has been linked with CUDA: vae_dist_cuda has, vae_dist has not.
bool has_cuda();

/// How many GPUs this program can use: none without CUDA, a driver that CUDA takes, or a GPU that
/// is not hidden (CUDA_VISIBLE_DEVICES).
int gpu_count();

struct GpuFacts {
  std::string model;       ///< "NVIDIA H100 80GB HBM3"
  std::string pci_bus_id;  ///< "0000:1B:00.0"
  std::string driver;      ///< "580.159.04"; "for CUDA 13.0" where the machine does not tell
  std::string cudnn;       ///< version as loaded, "9.15.1"
};

/// Of a CUDA device. Throws Failure when CUDA does not answer; without has_cuda() always.
GpuFacts gpu_facts(c10::Device device);

/// "NVIDIA H100 80GB HBM3, driver 580.159.04, cuDNN 9.15.1, NCCL_ALGO=Ring": what all ranks must
/// have in common besides program and libraries. Empty on the CPU.
std::string gpu_environment_text(c10::Device device);

/// The NCCL settings of an environment ("NAME=value" each) on which ranks must agree to choose the
/// same algorithms and to find each other, sorted and joined: "NCCL_ALGO=Ring, NCCL_PROTO=Simple".
/// Names of interfaces, hosts and files may differ between nodes. Pure.
std::string common_nccl_settings(const std::vector<std::string>& environment);

/// The version in the text of /proc/driver/nvidia/version; empty when there is none. Pure.
std::string driver_version_in(const std::string& told);

/// "9.15.1" for 91501, "8.9.7" for 8907. Pure.
std::string cudnn_version_text(long version);

}  // namespace vae_dist::device
