// Rows to a chunked dataset: packed in order, compressed by several threads, written in order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "datasets/chunk_encoder.hpp"
#include "datasets/ordered_tasks.hpp"

namespace vae_dist::datasets {

class ChunkWriter {
 public:
  /// Writes one encoded chunk, which begins at row `first`: Hdf5Dataset::write_chunk.
  using Write = std::function<void(std::int64_t first, std::span<const std::uint8_t> encoded)>;

  struct Layout {
    std::int64_t chunk_rows = 1;
    std::size_t row_bytes = 1, element_bytes = 1;
  };

  /// At most 2 * `threads` chunks are in memory.
  ChunkWriter(const Layout& layout, const Compression& compression, std::size_t threads,
              Write write)
      : layout_(layout), compression_(compression), write_(std::move(write)), encoding_(threads) {}

  /// Any number of bytes; they become rows as they are complete.
  void append(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const std::size_t part = std::min(bytes.size(), chunk_bytes() - chunk_.size());
      chunk_.insert(chunk_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
      bytes = bytes.subspan(part);
      if (chunk_.size() == chunk_bytes()) encode();
    }
  }

  /// Writes what is left; the last chunk is filled up with zeros, since all chunks of a dataset are
  /// equally long.
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
  OrderedTasks<std::vector<std::uint8_t>> encoding_;
  std::vector<std::uint8_t> chunk_;
  std::int64_t next_row_ = 0;
};

}  // namespace vae_dist::datasets
