// Where in its machine each rank runs, for the start table.
#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>
#include <vector>

namespace vae_dist::run {

/// One rank's.
struct RankPlace {
  std::string gpu, bus_id;  ///< "NVIDIA H100 80GB HBM3", "0000:1B:00.0"; empty on the CPU
  std::optional<int>
      gpu_node;         ///< the NUMA node that the GPU is attached to, where the machine says it
  std::string network;  ///< the card nearest to the GPU; empty where there is none
  std::vector<int> cores, nodes;  ///< that the rank may run on, and their NUMA nodes
};

/// This rank's, asked of the kernel, and of CUDA where `device` is one of its.
RankPlace own_place(c10::Device device);

/// "cores 0-15 (NUMA node 0)", or "NVIDIA H100 80GB HBM3 at 0000:1b:00.0 (NUMA node 0), NIC mlx5_0;
/// cores 0-15 (NUMA node 0)". Pure.
std::string place_text(const RankPlace& place);

/// What ranks say, each different thing once, with those that say it: "ranks 0-3, 8: ...". A thing
/// that all say has no ranks before it; nothing ("") is left out. At most `most` of them, then how
/// many there are besides. Pure.
std::vector<std::string> by_ranks(const std::vector<std::string>& of_rank, std::size_t most = 16);

}  // namespace vae_dist::run
