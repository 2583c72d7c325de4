// Series that are read when a scrape asks for them: memory of the process, and its GPU's sensors.
// Training pays nothing for them.
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/gpu_readings.hpp"

namespace vae_dist::metrics {

class MachineSeries : public prometheus::Collectable {
 public:
  /// `labels`: on every series; those of the GPU also have gpu="<gpu_name>". An empty `read_gpu`:
  /// no such series.
  MachineSeries(const std::map<std::string, std::string>& labels, const std::string& gpu_name,
                std::function<base::GpuReadings()> read_gpu);

  /// From the server's threads.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::map<std::string, std::string> labels_, gpu_labels_;
  std::function<base::GpuReadings()> read_gpu_;
};

}  // namespace vae_dist::metrics
