// Undoes the filters of a stored chunk outside HDF5 and its lock: deflate (with libdeflate), LZF
// (with liblzf), shuffle and Fletcher32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

struct libdeflate_decompressor;

namespace vae_dist::hdf5 {

/// One filter of a pipeline. Filters are listed in the order in which writing applies them.
struct ChunkFilter {
  enum class Kind { deflate, lzf, shuffle, fletcher32, other };
  Kind kind = Kind::other;
  int id = 0;                     ///< id registered with the HDF Group
  std::string name;               ///< for messages; may be empty
  std::size_t element_bytes = 1;  ///< used by shuffle only
};

/// Returns whether ChunkDecoder supports the pipeline: no filter of kind other, and at most one
/// that compresses.
bool can_undo(std::span<const ChunkFilter> pipeline);

/// Says why a chunk cannot be decoded, without naming the file: "its deflate stream is damaged".
class DamagedChunk : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Decodes chunks and reuses its buffers between calls. Not thread-safe.
class ChunkDecoder {
 public:
  ChunkDecoder();

  /// Decodes the stored bytes into `out`, which must have the size of the decoded chunk. If bit i
  /// of `mask` is set, filter i was skipped when this chunk was written. Never writes beyond `out`,
  /// whatever the input. Throws DamagedChunk if the input decodes to fewer or more bytes, or does
  /// not match its checksums.
  void decode(std::span<const ChunkFilter> pipeline, std::uint32_t mask,
              std::span<const std::byte> stored, std::span<std::byte> out);

 private:
  struct Free {
    void operator()(libdeflate_decompressor* decompressor) const;
  };
  void inflate(std::span<const std::byte> stored, std::span<std::byte> out);

  std::unique_ptr<libdeflate_decompressor, Free> decompressor_;
  std::vector<std::byte> scratch_[2];
};

/// Returns the checksum in HDF5's variant: 16-bit big-endian words, sums modulo 65535.
std::uint32_t fletcher32(std::span<const std::byte> bytes);

}  // namespace vae_dist::hdf5
