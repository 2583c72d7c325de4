// Series that are read at each scrape: the memory of the process and the sensors of its GPU. They
// cost training nothing.
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
  /// `labels` are on every series; GPU series also have gpu="<gpu_name>". If `read_gpu` is empty,
  /// there are no GPU series.
  MachineSeries(const std::map<std::string, std::string>& labels, const std::string& gpu_name,
                std::function<base::GpuReadings()> read_gpu);

  /// Called by the server's threads.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::map<std::string, std::string> labels_, gpu_labels_;
  std::function<base::GpuReadings()> read_gpu_;
};

}  // namespace vae_dist::metrics
