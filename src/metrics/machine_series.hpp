// Series that are read when a scrape asks for them: memory of the process, and its GPU's sensors. Training pays nothing for them.
#pragma once

#include <prometheus/collectable.h>

#include <map>
#include <memory>
#include <string>

#include "metrics/nvml.hpp"

namespace vae_dist {

class MachineSeries : public prometheus::Collectable {
 public:
  /// `labels`: on every series; those of the GPU also have gpu="<gpu_name>". `gpu` may be null.
  MachineSeries(const std::map<std::string, std::string>& labels, const std::string& gpu_name, std::unique_ptr<GpuSensors> gpu);

  /// From the server's threads.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::map<std::string, std::string> labels_, gpu_labels_;
  std::unique_ptr<GpuSensors> gpu_;
};

}  // namespace vae_dist
