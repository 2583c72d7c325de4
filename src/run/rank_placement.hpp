// Describes where each rank runs within its machine, for the start table.
#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>
#include <vector>

namespace vae_dist::run {

/// The placement of one rank.
struct RankPlacement {
  std::string gpu, bus_id;  ///< "NVIDIA H100 80GB HBM3", "0000:1B:00.0"; empty on the CPU
  /// The NUMA node that the GPU is attached to, if the machine reports it.
  std::optional<int> gpu_node;
  std::string network;            ///< the network card nearest to the GPU; empty if there is none
  std::vector<int> cores, nodes;  ///< the cores that the rank may use, and their NUMA nodes
};

/// Returns the placement of this rank, as reported by the kernel and, if `device` is a GPU, by
/// CUDA.
RankPlacement own_placement(c10::Device device);

/// Returns "cores 0-15 (NUMA node 0)", or "NVIDIA H100 80GB HBM3 at 0000:1b:00.0 (NUMA node 0), NIC
/// mlx5_0; cores 0-15 (NUMA node 0)". Pure.
std::string placement_text(const RankPlacement& placement);

/// Groups equal texts and prefixes each with its ranks: "ranks 0-3, 8: ...". A text that all ranks
/// share gets no prefix. Empty texts are left out. After `most` lines, a last line gives the number
/// of the remaining ones. Pure.
std::vector<std::string> by_ranks(const std::vector<std::string>& of_rank, std::size_t most = 16);

}  // namespace vae_dist::run
