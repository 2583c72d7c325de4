// Which all-reduce a sum takes on the host. All of them wait with sleeps, where MPI's own would
// spin on the core that backward needs.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/pairwise_all_reduce.hpp"

namespace vae_dist::comm {

/// How ranks add up.
enum class SumOrder {
  fast,  ///< whatever is fastest
  tree,  ///< one fixed binary tree over the ranks: the same bits at any power of two of ranks
};

/// Whether values of this type may travel so. Throws std::invalid_argument when anything but fp32
/// is to be rounded to bf16, or a tree's sums: rounded where they cross ranks, their bits would
/// depend on the number of ranks.
void check_wire(DataType type, SumOrder order, Wire wire);

/// Sums `buffer` over all ranks, in place; every rank ends with the same bits. `scratch` grows as
/// needed and is kept by the caller for the next time. A collective. Throws as check_wire, and
/// std::logic_error for a tree over ranks that are no power of two.
void all_reduce_on_host(HostCommunicator& comm, Buffer buffer, SumOrder order, Wire wire,
                        std::vector<std::byte>& scratch);

}  // namespace vae_dist::comm
