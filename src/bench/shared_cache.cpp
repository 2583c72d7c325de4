#include "bench/shared_cache.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace vae_dist::bench {

double shared_cache_bytes() {
  // sysconf() reports the processor's caches, of which a virtual machine may have only a part.
  std::map<std::string, double>
      kib_of_cores;  // by the cores of a cache ("0-7"), so each counts once
  std::error_code error;
  for (const auto& cpu : std::filesystem::directory_iterator("/sys/devices/system/cpu", error)) {
    const std::filesystem::path cache = cpu.path() / "cache" / "index3";
    std::string cores;
    double kib = 0;
    if (std::ifstream(cache / "shared_cpu_list") >> cores && std::ifstream(cache / "size") >> kib)
      kib_of_cores[cores] = kib;  // "32768K"
  }
  double bytes = 0;
  for (const auto& [cores, kib] : kib_of_cores) bytes += 1024 * kib;
  return bytes;
}

}  // namespace vae_dist::bench
