// A folder laid out like /sys/class/powercap, whose counters a test sets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "../temporary_folder.hpp"

namespace vae_dist::device {

class PowercapFolder : public TemporaryFolderTest {
 protected:
  std::filesystem::path powercap() const { return path("powercap"); }

  void add_zone(const std::string& zone, const std::string& name, std::int64_t microjoules) const {
    std::filesystem::create_directories(powercap() / zone);
    std::ofstream(powercap() / zone / "name") << name << "\n";
    std::ofstream(powercap() / zone / "max_energy_range_uj") << "262143328850\n";
    set_energy(zone, microjoules);
  }

  void set_energy(const std::string& zone, std::int64_t microjoules) const {
    std::ofstream(powercap() / zone / "energy_uj") << microjoules << "\n";
  }
};

}  // namespace vae_dist::device
