// What the energy meters of a rank have counted: read by device/energy_meters.hpp, shown by the
// metrics, the summary and the report.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digits.hpp"

namespace vae_dist::base {

/// Joules since the meters were opened. What has no meter is absent.
struct EnergyReadings {
  std::optional<double> gpu;
  std::vector<std::pair<std::string, double>> packages;  ///< of CPUs, by their names: "0", "1"

  /// Returns the sum; empty if there is no meter.
  std::optional<double> total() const {
    std::optional<double> sum = gpu;
    for (const auto& [name, joules] : packages) sum = sum.value_or(0) + joules;
    return sum;
  }
};

/// Formats an energy for people: "38 J", "12.5 kJ", "0.21 kWh" (1 kWh = 3.6 MJ).
inline std::string energy_text(double joules) {
  constexpr double kKilojoule = 1e3, kKilowattHour = 3.6e6;
  if (joules >= kKilowattHour / 100) return digits(joules / kKilowattHour, 3) + " kWh";
  if (joules >= kKilojoule) return digits(joules / kKilojoule, 3) + " kJ";
  return digits(joules, 3) + " J";
}

}  // namespace vae_dist::base
