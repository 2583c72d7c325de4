#include "base/machine_topology.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <tuple>

#include "base/number_ranges.hpp"
#include "base/text.hpp"

namespace vae_dist::base {
namespace {

using Path = std::filesystem::path;

std::string content(const Path& file) {
  std::ifstream stream(file);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::vector<Path> entries(const Path& folder) {
  std::error_code missing;
  std::vector<Path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

Path device_folder(const std::string& bus_id, const Path& sys) {
  std::string name = bus_id;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return sys / "bus/pci/devices" / name;
}

// Returns the NUMA node named in the device's directory, or -1 if there is none.
int node_in(const Path& device) {
  const std::vector<int> found = parse_ranges(content(device / "numa_node"));
  return found.empty() ? -1 : found.front();
}

// Returns the path from the root of the PCI tree ("pci0000:17") to the device. Empty if it is not a
// PCI device.
std::vector<std::string> pci_path_of(const Path& device) {
  std::error_code missing;
  const Path real = std::filesystem::canonical(device, missing);
  std::vector<std::string> way;
  for (const Path& part : real)
    if (!way.empty() || part.string().starts_with("pci")) way.push_back(part.string());
  return way;
}

std::size_t shared_part(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

bool has_active_port(const Path& card) {
  const std::vector<Path> ports = entries(card / "ports");
  return std::any_of(ports.begin(), ports.end(), [](const Path& port) {
    return content(port / "state").find("ACTIVE") != std::string::npos;
  });
}

bool is_up(const Path& card) { return content(card / "operstate").starts_with("up"); }

template <typename Usable>
std::string nearest_of(const Path& cards, const Path& device, Usable usable) {
  const std::vector<std::string> way = pci_path_of(device);
  const int node = node_in(device);
  std::string nearest;
  std::pair<std::size_t, bool> best{0, false};
  for (const Path& card : entries(cards)) {
    const std::vector<std::string> card_path = pci_path_of(card / "device");
    if (card_path.empty() || !usable(card)) continue;
    const std::pair<std::size_t, bool> nearness{shared_part(way, card_path),
                                                node >= 0 && node_in(card / "device") == node};
    if (nearness > best) std::tie(best, nearest) = std::tuple(nearness, card.filename().string());
  }
  return nearest;
}

}  // namespace

std::vector<int> allowed_cores(const Path& status) {
  const std::string told = content(status);
  constexpr std::string_view kName = "Cpus_allowed_list:";
  const std::size_t at = told.find(kName);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + kName.size();
  return parse_ranges(told.substr(begin, told.find('\n', begin) - begin));
}

std::vector<int> numa_nodes_of(const std::vector<int>& cores, const Path& sys) {
  std::vector<int> nodes;
  for (const Path& folder : entries(sys / "devices/system/node")) {
    int number = 0;
    if (std::sscanf(folder.filename().c_str(), "node%d", &number) != 1) continue;
    const std::vector<int> of_node = parse_ranges(content(folder / "cpulist"));
    if (std::find_first_of(cores.begin(), cores.end(), of_node.begin(), of_node.end()) !=
        cores.end())
      nodes.push_back(number);
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

std::optional<int> numa_node_of_device(const std::string& bus_id, const Path& sys) {
  const int node = node_in(device_folder(bus_id, sys));
  return node >= 0 ? std::optional(node) : std::nullopt;
}

std::string nearest_network(const std::string& bus_id, const Path& sys) {
  const Path device = device_folder(bus_id, sys);
  const std::string fast = nearest_of(sys / "class/infiniband", device, has_active_port);
  return fast.empty() ? nearest_of(sys / "class/net", device, is_up) : fast;
}

}  // namespace vae_dist::base
