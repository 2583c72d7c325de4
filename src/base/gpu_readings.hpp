// Sensor readings of a GPU: read by device/nvml.hpp, shown by the metrics.
#pragma once

#include <optional>

namespace vae_dist::base {

/// A value that the driver does not report is empty.
struct GpuReadings {
  std::optional<double> memory_used_bytes, memory_total_bytes;
  std::optional<double>
      utilization;  ///< 0..1: fraction of the last sample period in which a kernel ran
  std::optional<double> celsius, watts;
  std::optional<double> joules;  ///< used since the driver was loaded
};

}  // namespace vae_dist::base
