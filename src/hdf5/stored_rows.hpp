// Reads the rows of one dataset, decoding them outside HDF5's lock where possible.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "hdf5/dataset.hpp"
#include "hdf5/offset_file.hpp"

namespace vae_dist::hdf5 {

/// Buffers that one thread needs for decoding, reused between reads.
struct DecodeBuffers {
  ChunkDecoder decoder;
  StoredChunk stored;
  std::vector<std::byte> chunk;
};

/// Counts the reads of storage by all threads of this process.
struct DecodeCounts {
  std::atomic<std::int64_t> chunks{0};         ///< chunks decoded by ChunkDecoder
  std::atomic<std::int64_t> library_reads{0};  ///< reads that only the library can perform
};

class StoredRows {
 public:
  /// Throws BadInput if the values are not plain numbers, or if neither ChunkDecoder nor the
  /// installed library can undo a filter.
  explicit StoredRows(Hdf5Dataset dataset);

  const Hdf5Dataset& dataset() const { return dataset_; }
  const StoredNumber& number() const { return *dataset_.number(); }
  std::int64_t rows() const { return dataset_.shape()[0]; }
  std::size_t row_bytes() const { return row_bytes_; }  ///< as stored

  /// Number of rows that are best read together: those of a chunk or, without chunks, as many as
  /// fit into half a MiB. Blocks begin at multiples of this number.
  std::int64_t block_rows() const { return block_rows_; }
  /// Number of chunks that hold parts of one row. If it is above 1, reading a row requires decoding
  /// all of them.
  std::int64_t chunks_per_block() const { return chunks_per_block_; }

  /// Reads rows [first, first + count) as stored (byte order included): count * row_bytes() bytes.
  /// Decodes each chunk that holds any of them once. Thread-safe if each thread has its own
  /// buffers. Throws Failure, naming the file, the dataset and the chunk.
  void read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
            DecodeBuffers& buffers) const;

  /// Announces that these rows will be read soon. If their offset in the file is known, the system
  /// starts to read them into its page cache. Returns at once.
  void will_need(std::int64_t first, std::int64_t count) const;

  const DecodeCounts& counts() const { return *counts_; }

 private:
  /// Visits the parts of the segments that hold bytes [first, first + bytes) of the values:
  /// visit(file, offset, position among these bytes, size).
  template <typename Visit>
  void for_each_part(std::uint64_t first, std::uint64_t bytes, Visit visit) const;
  void read_contiguous(std::int64_t first, std::span<std::byte> out) const;
  void read_chunk(std::span<const std::int64_t> corner, std::int64_t first, std::int64_t count,
                  std::span<std::byte> out, DecodeBuffers& buffers) const;

  Hdf5Dataset dataset_;
  std::vector<std::unique_ptr<OffsetFile>>
      offset_files_;  ///< one per segment of the dataset, if values are read by offset
  std::unique_ptr<DecodeCounts> counts_ = std::make_unique<DecodeCounts>();
  std::size_t row_bytes_ = 0, chunk_bytes_ = 0;
  std::int64_t block_rows_ = 1, chunks_per_block_ = 1;
  bool decodes_chunks_ = false, contiguous_ = false;
};

}  // namespace vae_dist::hdf5
