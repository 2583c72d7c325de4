// Series that are read at each scrape: the memory of the process, the sensors of its GPU, and the
// energy that it counts. They cost training nothing.
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/energy_readings.hpp"
#include "base/gpu_readings.hpp"

namespace vae_dist::metrics {

class MachineSeries : public prometheus::Collectable {
 public:
  /// `labels` are on every series; GPU series also have gpu="<gpu_name>", those of a CPU package
  /// package="<its name>". If `read_gpu` or `read_energy` is empty, their series do not exist.
  MachineSeries(const std::map<std::string, std::string>& labels, const std::string& gpu_name,
                std::function<base::GpuReadings()> read_gpu,
                std::function<base::EnergyReadings()> read_energy);

  /// Called by the server's threads.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  void add_energy(std::vector<prometheus::MetricFamily>& families) const;

  std::map<std::string, std::string> labels_, gpu_labels_;
  std::function<base::GpuReadings()> read_gpu_;
  std::function<base::EnergyReadings()> read_energy_;
};

}  // namespace vae_dist::metrics
