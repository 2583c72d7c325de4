// How much this process has read from data files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vae_dist::hdf5 {

/// Adds to the count. From any thread.
void add_read_bytes(std::size_t bytes);

/// Bytes of rows as stored that were read from files by all threads of this process; what the
/// system had in its page cache counts too.
std::uint64_t read_bytes_so_far();

}  // namespace vae_dist::hdf5
