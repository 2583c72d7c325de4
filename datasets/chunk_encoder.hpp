// Encodes chunks as HDF5 stores them, but outside the library, which compresses one chunk at a time
// under its global lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::datasets {

struct Compression {
  int deflate_level = 4;  ///< 0: none

  /// Parses "none" or "gzip:1" to "gzip:9". Throws BadInput for anything else.
  static Compression parse(const std::string& text);
  /// Returns whether the shuffle filter (which groups bytes by significance) is applied. It is a
  /// no-op for single-byte elements.
  bool shuffles(std::size_t element_bytes) const { return deflate_level > 0 && element_bytes > 1; }
};

/// Returns one chunk after HDF5's shuffle and deflate filters, ready for Hdf5Dataset::write_chunk.
/// Thread-safe.
std::vector<std::uint8_t> encode_chunk(std::span<const std::uint8_t> chunk,
                                       std::size_t element_bytes, const Compression& compression);

/// Returns the number of images per chunk for training: 64, or fewer to stay within 4 MiB.
std::int64_t chunk_rows_for(std::int64_t image_bytes);

}  // namespace vae_dist::datasets
