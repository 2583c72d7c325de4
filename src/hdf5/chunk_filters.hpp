// Undoing the filters of one stored chunk, outside of HDF5 and its lock: deflate (by libdeflate),
// LZF (by liblzf), shuffle, Fletcher32.
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

/// One filter of a dataset's pipeline, in the order in which writing applies them.
struct ChunkFilter {
  enum class Kind { deflate, lzf, shuffle, fletcher32, other };
  Kind kind = Kind::other;
  int id = 0;                     ///< as registered with the HDF Group
  std::string name;               ///< for people; may be empty
  std::size_t element_bytes = 1;  ///< of shuffle
};

/// Whether ChunkDecoder knows all of them: at most one that compresses, and nothing of kind other.
bool can_undo(std::span<const ChunkFilter> pipeline);

/// Why a chunk cannot be decoded; names no file. "its deflate stream is damaged".
class DamagedChunk : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Decodes chunks, keeping its buffers from one to the next. For one thread at a time.
class ChunkDecoder {
 public:
  ChunkDecoder();

  /// Fills `out`, which is as long as the decoded chunk, from the bytes as they are stored. Bit i
  /// of `mask` set: filter i was left out when this chunk was written. Whatever the bytes are,
  /// nothing beyond `out` is written: throws DamagedChunk when they hold less or more, or do not
  /// match their checksums.
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

/// HDF5's variant: 16-bit words of the bytes in big-endian order, sums modulo 65535.
std::uint32_t fletcher32(std::span<const std::byte> bytes);

}  // namespace vae_dist::hdf5
