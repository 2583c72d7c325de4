// Chooses the all-reduce algorithm for a sum on the host. All of them sleep while they wait,
// whereas MPI's own all-reduce would spin on the core that backward needs.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/pairwise_all_reduce.hpp"

namespace vae_dist::comm {

/// The order in which the contributions of the ranks are added.
enum class SumOrder {
  fast,  ///< whichever is fastest
  tree,  ///< a fixed binary tree over the ranks: the same bits for any power-of-two rank count
};

/// Throws std::invalid_argument unless values of this type may be sent in this form. Only fp32 can
/// be rounded to bf16, and not in the tree: its sums would be rounded where they cross ranks, so
/// their bits would depend on the number of ranks.
void check_wire(DataType type, SumOrder order, Wire wire);

/// Sums `buffer` over all ranks, in place; every rank gets the same bits. The caller keeps
/// `scratch`, which grows as needed, for the next call. A collective. Throws as check_wire() does,
/// and std::logic_error for a tree if the number of ranks is not a power of two.
void all_reduce_on_cpu(CpuCommunicator& comm, Buffer buffer, SumOrder order, Wire wire,
                       std::vector<std::byte>& scratch);

}  // namespace vae_dist::comm
