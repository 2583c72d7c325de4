// An all-reduce for any number of ranks that sends every contribution once: each rank receives its
// part of the vector from all others, sums it and sends the sum back to them (reduce-scatter and
// all-gather by pairwise exchange: Thakur, Rabenseifner, Gropp 2005, "Optimization of collective
// communication operations in MPICH").
//
// The values can therefore be rounded for sending without an error that grows with the number of
// ranks: each contribution is rounded once, and the sum once.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// The form in which values are sent.
enum class Wire {
  exact,  ///< unchanged
  bf16,   ///< fp32 values rounded to bfloat16; they are summed in fp32
};

/// Sums `buffer` over all ranks, in place. The caller keeps `scratch`, which grows as needed, for
/// the next call. Every rank gets the same bits, which depend only on the values and the number of
/// ranks. With `bf16` the error of an element is at most 2^-8 of the sum of magnitudes over the
/// ranks, plus 2^-8 of the result. A collective: 2 (np - 1) messages per rank, (np - 1) / np of the
/// vector each way. Throws std::invalid_argument if bf16 is requested for a type other than fp32.
void pairwise_all_reduce_sum(CpuCommunicator& comm, Buffer buffer, Wire wire,
                             std::vector<std::byte>& scratch);

}  // namespace vae_dist::comm
