// Writes rows to a chunked dataset: packs them into chunks, compresses the chunks on several
// threads and writes them in order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/ordered_tasks.hpp"
#include "datasets/chunk_encoder.hpp"

namespace vae_dist::datasets {

class ChunkWriter {
 public:
  /// Writes one encoded chunk, which begins at row `first`: Hdf5Dataset::write_chunk.
  using Write = std::function<void(std::int64_t first, std::span<const std::uint8_t> encoded)>;

  struct Layout {
    std::int64_t chunk_rows = 1;
    std::size_t row_bytes = 1, element_bytes = 1;
  };

  /// Keeps at most 2 * `threads` chunks in memory.
  ChunkWriter(const Layout& layout, const Compression& compression, std::size_t threads,
              Write write)
      : layout_(layout), compression_(compression), write_(std::move(write)), encoding_(threads) {}

  /// Appends any number of bytes, which need not end at a row boundary.
  void append(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const std::size_t part = std::min(bytes.size(), chunk_bytes() - chunk_.size());
      chunk_.insert(chunk_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
      bytes = bytes.subspan(part);
      if (chunk_.size() == chunk_bytes()) encode();
    }
  }

  /// Writes the remaining rows. Pads the last chunk with zeros, because all chunks of a dataset
  /// have the same size.
  void finish() {
    if (!chunk_.empty()) encode();
    while (!encoding_.empty()) write_next();
  }

 private:
  std::size_t chunk_bytes() const {
    return static_cast<std::size_t>(layout_.chunk_rows) * layout_.row_bytes;
  }

  void encode() {
    while (encoding_.full()) write_next();
    chunk_.resize(chunk_bytes());
    encoding_.start([chunk = std::exchange(chunk_, {}), this] {
      return encode_chunk(chunk, layout_.element_bytes, compression_);
    });
  }

  void write_next() {
    write_(next_row_, encoding_.next());
    next_row_ += layout_.chunk_rows;
  }

  Layout layout_;
  Compression compression_;
  Write write_;
  base::OrderedTasks<std::vector<std::uint8_t>> encoding_;
  std::vector<std::uint8_t> chunk_;
  std::int64_t next_row_ = 0;
};

}  // namespace vae_dist::datasets
