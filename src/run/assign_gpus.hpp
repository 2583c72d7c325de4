// Which GPU each rank of a node takes. Where every rank sees all GPUs of the node, that is the one
// of its local rank. Slurm's --gpus-per-task and --gpu-bind show each rank GPUs of its own, which
// every rank numbers from 0: then what they are tells them apart, not their numbers.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "device/gpu_facts.hpp"

namespace vae_dist::run {

/// The GPUs that each rank of a node sees, by local rank, in the order of their numbers there.
using SeenGpus = std::vector<std::vector<device::GpuIdentity>>;

/// Tells the ranks of a node which GPUs each of them sees. A collective of them.
SeenGpus gather_seen_gpus(comm::CpuCommunicator& node,
                          const std::vector<device::GpuIdentity>& seen_by_this_rank);

struct GpuAssignment {
  /// By local rank: the number of its GPU, as this rank counts them; -1 if it sees none.
  std::vector<int> gpus;

  /// Two ranks that have parts of one GPU or the same one, if there are any, and its PCI address.
  struct Shared {
    std::size_t first = 0, second = 0;  ///< local ranks
    std::string pci_bus_id;
  };
  std::optional<Shared> shared;
};

/// Gives each rank a GPU of its own if that is possible at all, the lower numbers to the lower
/// ranks. Ranks that are left over share: each takes the number of its local rank, modulo the
/// number of GPUs that it sees. The parts of a GPU (MIG) are different GPUs, but a rank that has
/// one shares the card with the rank that has another, which NCCL refuses too. Pure.
GpuAssignment assign_gpus(const SeenGpus& seen);

}  // namespace vae_dist::run
