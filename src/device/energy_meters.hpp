// Counts the energy that a rank's GPU and the packages of its CPUs use.
#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/energy_readings.hpp"

namespace vae_dist::device {

/// Where Linux shows the RAPL meters of CPU packages, Intel's and AMD's alike
/// (Documentation/power/powercap in the kernel): intel-rapl:0/{name, energy_uj,
/// max_energy_range_uj}. Most systems let only root read them.
inline constexpr const char* kPowercap = "/sys/class/powercap";

/// The meters count from their construction. Thread-safe.
///
/// A package's counter begins again from 0 after about 262 kJ, 11 minutes at 400 W. Call read()
/// more often than that: one such wrap between two calls is seen, two are not.
class EnergyMeters {
 public:
  /// `read_gpu`: returns the joules that the GPU has used since some fixed time, empty if its
  /// driver does not tell; empty itself: no GPU. `powercap`: the folder with the zones of the
  /// packages; empty: do not count packages, because another rank of this node does.
  EnergyMeters(std::function<std::optional<double>()> read_gpu,
               const std::filesystem::path& powercap);

  /// Whether there is any meter that can be read.
  bool exist() const { return gpu_ || !packages_.empty(); }

  base::EnergyReadings read();

 private:
  /// Sums the increments of a counter that begins again from 0 when it would reach `range`.
  struct Counter {
    double last = 0, range = 0, sum = 0;

    void advance(double now);
  };
  struct Package {
    std::string name;
    std::filesystem::path microjoules;
    Counter counter;
  };

  std::function<std::optional<double>()> read_gpu_;
  std::optional<Counter> gpu_;
  std::vector<Package> packages_;
  std::mutex mutex_;
};

}  // namespace vae_dist::device
