// Counts the bytes that this process reads from data files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vae_dist::hdf5 {

/// Adds to the count. Thread-safe.
void add_read_bytes(std::size_t bytes);

/// Returns the number of bytes of stored rows that all threads of this process have read from
/// files. Bytes that came from the page cache count too.
std::uint64_t read_bytes_so_far();

}  // namespace vae_dist::hdf5
