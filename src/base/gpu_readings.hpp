// What is told about a GPU while it works: read by device/nvml.hpp, shown by the metrics.
#pragma once

#include <optional>

namespace vae_dist::base {

/// What the driver does not tell is absent.
struct GpuReadings {
  std::optional<double> memory_used_bytes, memory_total_bytes;
  std::optional<double>
      utilization;  ///< 0..1: share of the last sample period in which a kernel ran
  std::optional<double> celsius, watts;
};

}  // namespace vae_dist::base
