// The device that a rank computes on, as it was chosen (run/choose_device.hpp).
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::device {

/// Environment variables and their values.
using EnvironmentSettings = std::vector<std::pair<std::string, std::string>>;

/// What carries gradients between ranks.
enum class Backend {
  self,  ///< nothing: a world of one
  mpi,
  nccl,
};

struct DeviceChoice {
  c10::Device device = c10::kCPU;
  Backend backend = Backend::self;
  int threads = 1;  ///< of tensor work on the CPU
  EnvironmentSettings
      nccl_settings;  ///< what NCCL has to find in the environment, unless the user has set it
};

}  // namespace vae_dist::device
