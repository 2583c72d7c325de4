// An all-reduce that adds along one fixed binary tree over the ranks, so that the bits of the sum
// depend on the values alone.
//
// Recursive halving, distance 1 first: ranks that differ in bit 0 exchange halves of the vector and
// add, those that differ in bit 1 exchange quarters of the halves they keep, and so on; then the
// parts are gathered in reverse (Rabenseifner 2004, "Optimization of collective reduction
// operations", with the distances in increasing order). Level l joins neighbours of 2^l ranks: if
// the replicas of each rank are contiguous, this is the same tree over replicas for any number of
// ranks.
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// into[i] += from[i]. Both buffers have the same count and type.
using AddBuffers = std::function<void(Buffer into, Buffer from)>;

/// Adds on the host. Throws std::invalid_argument for bfloat16.
void add_on_host(Buffer into, Buffer from);

/// Sums `buffer` over all ranks, in place. comm.size() must be a power of two. `scratch` must have
/// room for half of the buffer, rounded up. A collective: 2 log2(np) messages per rank, (np - 1) /
/// np of the vector each way.
void tree_all_reduce_sum(Communicator& comm, Buffer buffer, Buffer scratch,
                         const AddBuffers& add = add_on_host);

}  // namespace vae_dist::comm
