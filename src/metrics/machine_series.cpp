#include "metrics/machine_series.hpp"

#include <prometheus/metric_family.h>
#include <unistd.h>

#include <fstream>
#include <optional>

namespace vae_dist::metrics {
namespace {

using Labels = std::map<std::string, std::string>;

void add_gauge(std::vector<prometheus::MetricFamily>& families, const Labels& labels,
               const char* name, const char* help, std::optional<double> value) {
  if (!value) return;
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [label, text] : labels) metric.label.push_back({label, text});
  metric.gauge.value = *value;
  families.push_back(std::move(family));
}

void add_counter(prometheus::MetricFamily& family, const Labels& labels, double value) {
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [label, text] : labels) metric.label.push_back({label, text});
  metric.counter.value = value;
}

prometheus::MetricFamily counters(const char* name, const char* help) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Counter;
  return family;
}

std::optional<double> resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double all_pages = 0, resident_pages = 0;
  if (!(statm >> all_pages >> resident_pages)) return std::nullopt;
  return resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

MachineSeries::MachineSeries(const Labels& labels, const std::string& gpu_name,
                             std::function<base::GpuReadings()> read_gpu,
                             std::function<base::EnergyReadings()> read_energy)
    : labels_(labels),
      gpu_labels_(labels),
      read_gpu_(std::move(read_gpu)),
      read_energy_(std::move(read_energy)) {
  gpu_labels_["gpu"] = gpu_name;
}

std::vector<prometheus::MetricFamily> MachineSeries::Collect() const {
  std::vector<prometheus::MetricFamily> out;
  add_gauge(out, labels_, "vae_dist_resident_memory_bytes",
            "Memory of this rank's process that resides in RAM, bytes; a cache shared by the ranks "
            "of a node is counted for each rank.",
            resident_bytes());
  add_energy(out);
  if (!read_gpu_) return out;
  const base::GpuReadings gpu = read_gpu_();
  add_gauge(out, gpu_labels_, "vae_dist_gpu_memory_used_bytes",
            "Memory in use on this rank's GPU, by any process, bytes.", gpu.memory_used_bytes);
  add_gauge(out, gpu_labels_, "vae_dist_gpu_memory_total_bytes",
            "Total memory of this rank's GPU, bytes.", gpu.memory_total_bytes);
  add_gauge(
      out, gpu_labels_, "vae_dist_gpu_utilization_ratio",
      "Share of the driver's last sample period in which a kernel ran on this rank's GPU, 0 to 1.",
      gpu.utilization);
  add_gauge(out, gpu_labels_, "vae_dist_gpu_temperature_celsius",
            "Temperature of this rank's GPU, degrees Celsius.", gpu.celsius);
  add_gauge(out, gpu_labels_, "vae_dist_gpu_power_watts",
            "Power that this rank's GPU draws, watts.", gpu.watts);
  return out;
}

void MachineSeries::add_energy(std::vector<prometheus::MetricFamily>& families) const {
  if (!read_energy_) return;
  const base::EnergyReadings energy = read_energy_();
  if (energy.gpu) {
    families.push_back(counters("vae_dist_gpu_joules_total",
                                "Energy that this rank's GPU has used since this process began to "
                                "train, by any process, joules; of ranks that share a GPU, the "
                                "first counts it."));
    add_counter(families.back(), gpu_labels_, *energy.gpu);
  }
  if (energy.packages.empty()) return;
  families.push_back(counters("vae_dist_cpu_package_joules_total",
                              "Energy that a CPU package of this rank's host has used since this "
                              "process began to train, by any process, joules; of the ranks of a "
                              "node, the first counts it."));
  for (const auto& [name, joules] : energy.packages) {
    Labels labels = labels_;
    labels["package"] = name;
    add_counter(families.back(), labels, joules);
  }
}

}  // namespace vae_dist::metrics
