#include "run/rank_placement.hpp"

#include <algorithm>
#include <cctype>

#include "base/machine_topology.hpp"
#include "base/number_ranges.hpp"
#include "base/text.hpp"
#include "device/gpu_facts.hpp"

namespace vae_dist::run {
namespace {

std::string in_nodes(const std::vector<int>& nodes) {
  return nodes.empty() ? ""
                       : base::text(nodes.size() == 1 ? " (NUMA node " : " (NUMA nodes ",
                                    base::ranges_text(nodes), ")");
}

std::string lower(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

}  // namespace

RankPlacement own_placement(c10::Device device) {
  RankPlacement placement;
  placement.cores = base::allowed_cores();
  placement.nodes = base::numa_nodes_of(placement.cores);
  if (!device.is_cuda()) return placement;
  const device::GpuFacts facts = device::gpu_facts(device);
  placement.gpu = facts.model;
  placement.bus_id = facts.pci_bus_id;
  placement.gpu_node = base::numa_node_of_device(facts.pci_bus_id);
  placement.network = base::nearest_network(facts.pci_bus_id);
  return placement;
}

std::string placement_text(const RankPlacement& placement) {
  std::string cores =
      placement.cores.empty()
          ? ""
          : base::text(placement.cores.size() == 1 ? "core " : "cores ",
                       base::ranges_text(placement.cores), in_nodes(placement.nodes));
  if (placement.gpu.empty()) return cores;
  const std::string gpu = base::text(placement.gpu, " at ", lower(placement.bus_id),
                                     placement.gpu_node ? in_nodes({*placement.gpu_node}) : "",
                                     placement.network.empty() ? "" : ", NIC " + placement.network);
  return cores.empty() ? gpu : gpu + "; " + cores;
}

std::vector<std::string> by_ranks(const std::vector<std::string>& of_rank, std::size_t most) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (std::size_t rank = 0; rank < of_rank.size(); ++rank) {
    if (of_rank[rank].empty()) continue;
    const auto group = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& one) { return one.first == of_rank[rank]; });
    auto& ranks = group == groups.end()
                      ? groups.emplace_back(of_rank[rank], std::vector<int>{}).second
                      : group->second;
    ranks.push_back(static_cast<int>(rank));
  }
  std::vector<std::string> lines;
  for (const auto& [said, ranks] : groups) {
    if (lines.size() == most) {
      lines.push_back(base::text("and ", groups.size() - most, " more from other ranks"));
      break;
    }
    lines.push_back(
        ranks.size() == of_rank.size() ? said : base::text(base::ranks_text(ranks), ": ", said));
  }
  return lines;
}

}  // namespace vae_dist::run
