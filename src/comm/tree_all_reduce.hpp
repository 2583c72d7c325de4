// An all-reduce whose sum is one fixed binary tree over the ranks, so that its bits follow from the
// values alone.
//
// Recursive halving, distance 1 first: ranks that differ in bit 0 exchange halves of the vector and
// add, those that differ in bit 1 exchange quarters of the halves they keep, ...; then the parts
// are gathered in reverse (Rabenseifner 2004, "Optimization of collective reduction operations",
// with the distances in increasing order). Level l joins neighbours of 2^l ranks: with contiguous
// replicas a rank, that is the same tree over replicas at any number of ranks.
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// into[i] += from[i]. Both of one count and type.
using AddBuffers = std::function<void(Buffer into, Buffer from)>;

/// On the host. Throws std::invalid_argument for bfloat16.
void add_on_host(Buffer into, Buffer from);

/// Sums `buffer` over all ranks, in place; comm.size() is a power of two. `scratch` has room for
/// half of it, rounded up. A collective: 2 log2(np) messages a rank, (np - 1) / np of the vector
/// each way.
void tree_all_reduce_sum(Communicator& comm, Buffer buffer, Buffer scratch,
                         const AddBuffers& add = add_on_host);

}  // namespace vae_dist::comm
