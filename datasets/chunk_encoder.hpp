// Chunks as HDF5 stores them, made outside of the library: it compresses under its lock, one chunk
// after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::datasets {

struct Compression {
  int deflate_level = 4;  ///< 0: none

  /// From "none" or "gzip:1" to "gzip:9". Throws BadInput for anything else.
  static Compression parse(const std::string& text);
  /// Bytes of elements larger than one are sorted by significance first; for single bytes HDF5's
  /// shuffle filter does nothing.
  bool shuffles(std::size_t element_bytes) const { return deflate_level > 0 && element_bytes > 1; }
};

/// The bytes of one chunk after HDF5's shuffle and deflate filters, as Hdf5Dataset::write_chunk
/// takes them. Safe from many threads.
std::vector<std::uint8_t> encode_chunk(std::span<const std::uint8_t> chunk,
                                       std::size_t element_bytes, const Compression& compression);

/// Images a chunk for training: 64, fewer where that would be more than 4 MiB.
std::int64_t chunk_rows_for(std::int64_t image_bytes);

}  // namespace vae_dist::datasets
