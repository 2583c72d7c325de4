// An all-reduce for any number of ranks, in which every contribution travels once: each rank sums
// its part of the vector, which all others send to it, and sends the sum back to all of them
// (reduce-scatter and all-gather by pairwise exchange: Thakur, Rabenseifner, Gropp 2005,
// "Optimization of collective communication operations in MPICH").
//
// So what travels can be rounded without errors that grow with the ranks: a contribution is rounded
// once, and the sum once.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// What travels.
enum class Wire {
  exact,  ///< the values as they are
  bf16,   ///< fp32 values, rounded to bfloat16; they are summed in fp32
};

/// Sums `buffer` over all ranks, in place; `scratch` grows as needed and is kept by the caller for
/// the next time. Every rank ends with the same bits, which follow from the values and the number
/// of ranks. With `bf16` the error of an element is at most 2^-8 of the sum of magnitudes over the
/// ranks, plus 2^-8 of the result. A collective: 2 (np - 1) messages a rank, (np - 1) / np of the
/// vector each way. Throws std::invalid_argument when bf16 is asked for anything but fp32.
void pairwise_all_reduce_sum(HostCommunicator& comm, Buffer buffer, Wire wire,
                             std::vector<std::byte>& scratch);

}  // namespace vae_dist::comm
