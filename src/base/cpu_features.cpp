#include "base/cpu_features.hpp"

#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

namespace vae_dist::base {
namespace {

// Returns the value of the first line with this name ("flags : fpu vme ..."), or nothing if there
// is no such line.
std::optional<std::string> field(const std::string& cpuinfo, const std::string& name) {
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    if (line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1) != name) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return std::nullopt;
}

}  // namespace

std::string read_cpuinfo() {
  std::ifstream file("/proc/cpuinfo");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool multiplies_bfloat16(const std::string& cpuinfo) {
  auto abilities = field(cpuinfo, "flags");
  if (!abilities) abilities = field(cpuinfo, "Features");
  if (!abilities) return true;
  std::istringstream words(*abilities);
  for (std::string word; words >> word;)
    if (word == "avx512_bf16" || word == "amx_bf16" || word == "bf16") return true;
  return false;
}

std::string cpu_model(const std::string& cpuinfo) {
  return field(cpuinfo, "model name").value_or("");
}

}  // namespace vae_dist::base
