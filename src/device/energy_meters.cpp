#include "device/energy_meters.hpp"

#include <algorithm>
#include <fstream>

namespace vae_dist::device {
namespace {

constexpr double kMicro = 1e-6;

// The folder also holds zones within a package (intel-rapl:0:0, its cores), the same packages once
// more as seen through memory-mapped registers (intel-rapl-mmio:0), and the whole platform
// ("psys").
constexpr std::string_view kZone = "intel-rapl:", kPackage = "package-";

template <typename Value>
std::optional<Value> first_value_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  Value value{};
  if (in >> value) return value;
  return std::nullopt;
}

bool is_zone_of_a_package(const std::string& folder) {
  return folder.starts_with(kZone) && folder.find(':', kZone.size()) == std::string::npos;
}

}  // namespace

void EnergyMeters::Counter::advance(double now) {
  // A counter without a known range (a GPU whose driver was loaded again) has begun from 0.
  sum += now >= last ? now - last : now + std::max(0.0, range - last);
  last = now;
}

EnergyMeters::EnergyMeters(std::function<std::optional<double>()> read_gpu,
                           const std::filesystem::path& powercap)
    : read_gpu_(std::move(read_gpu)) {
  if (read_gpu_)
    if (const std::optional<double> now = read_gpu_()) gpu_ = Counter{*now};
  if (powercap.empty()) return;
  std::error_code error;
  for (const auto& zone : std::filesystem::directory_iterator(powercap, error)) {
    const auto name = first_value_in<std::string>(zone.path() / "name");
    if (!is_zone_of_a_package(zone.path().filename().string()) || !name ||
        !name->starts_with(kPackage))
      continue;
    const std::filesystem::path counter = zone.path() / "energy_uj";
    const auto now = first_value_in<double>(counter),
               range = first_value_in<double>(zone.path() / "max_energy_range_uj");
    if (now)
      packages_.push_back({name->substr(kPackage.size()), counter, {*now, range.value_or(0)}});
  }
  std::sort(packages_.begin(), packages_.end(),
            [](const Package& one, const Package& other) { return one.name < other.name; });
}

base::EnergyReadings EnergyMeters::read() {
  const std::lock_guard lock(mutex_);
  base::EnergyReadings out;
  if (gpu_) {
    if (const std::optional<double> now = read_gpu_()) gpu_->advance(*now);
    out.gpu = gpu_->sum;
  }
  for (Package& package : packages_) {
    if (const auto now = first_value_in<double>(package.microjoules)) package.counter.advance(*now);
    out.packages.emplace_back(package.name, kMicro * package.counter.sum);
  }
  return out;
}

}  // namespace vae_dist::device
