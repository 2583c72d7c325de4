// The device that a rank computes on, as chosen by run/choose_device.hpp.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::device {

/// Environment variables and their values.
using EnvironmentSettings = std::vector<std::pair<std::string, std::string>>;

/// The library that carries gradients between ranks.
enum class Backend {
  self,  ///< none: the only rank
  mpi,
  nccl,
};

struct DeviceChoice {
  c10::Device device = c10::kCPU;
  Backend backend = Backend::self;
  int threads = 1;  ///< CPU threads for tensor operations
  EnvironmentSettings
      nccl_settings;  ///< NCCL variables to set in the environment unless the user has set them
};

}  // namespace vae_dist::device
