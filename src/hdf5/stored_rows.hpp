// Reads the rows of one dataset, numbered along any of its axes, decoding them outside HDF5's lock
// where possible.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hdf5/copy_box.hpp"
#include "hdf5/dataset.hpp"
#include "hdf5/offset_file.hpp"
#include "hdf5/row_axes.hpp"

namespace vae_dist::hdf5 {

/// Buffers that one thread needs for decoding, reused between reads.
struct DecodeBuffers {
  ChunkDecoder decoder;
  StoredChunk stored;
  std::vector<std::byte> chunk;
  std::vector<std::byte> box;
};

/// Counts the reads of storage by all threads of this process.
struct DecodeCounts {
  std::atomic<std::int64_t> chunks{0};         ///< chunks decoded by ChunkDecoder
  std::atomic<std::int64_t> library_reads{0};  ///< reads that only the library can perform
};

class StoredRows {
 public:
  /// `row_axes`: the axes that number the rows; see RowAxes. Throws BadInput if the values are not
  /// plain numbers, or if neither ChunkDecoder nor the installed library can undo a filter.
  explicit StoredRows(Hdf5Dataset dataset, std::vector<std::size_t> row_axes = {0});

  /// The same rows of another file; see Hdf5Dataset::in_twin(). Requires reads_single_rows() of
  /// `like`.
  StoredRows(const StoredRows& like, const std::shared_ptr<const OffsetFile>& twin);

  const Hdf5Dataset& dataset() const { return dataset_; }
  const StoredNumber& number() const { return *dataset_.number(); }
  const RowAxes& axes() const { return axes_; }
  std::int64_t rows() const { return axes_.rows(); }
  std::size_t row_bytes() const { return row_bytes_; }  ///< as stored

  /// The rows that are best read together: those of a chunk or, without chunks, as many as fit into
  /// half a MiB.
  const RowBlocks& blocks() const { return blocks_; }
  /// Number of chunks that hold parts of one row. If it is above 1, reading a row requires decoding
  /// all of them.
  std::int64_t chunks_per_block() const { return chunks_per_block_; }
  /// Returns whether a row can be read without reading any other.
  bool reads_single_rows() const { return reads_by_offset_; }

  /// Reads rows [first, first + count) as stored (byte order included), each with its axes in their
  /// order: count * row_bytes() bytes. Decodes each chunk that holds any of them once if the rows
  /// are whole blocks. Thread-safe if each thread has its own buffers. Throws Failure, naming the
  /// file, the dataset and the chunk.
  void read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
            DecodeBuffers& buffers) const;

  /// Does the same for a part of each row: the places part.first[i] .. part.first[i] +
  /// part.count[i] - 1 along axis i of a row. Decodes only the chunks that hold any of them.
  void read(std::int64_t first, std::int64_t count, const Box& part, std::span<std::byte> out,
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
  void read_by_offset(std::int64_t first, std::span<std::byte> out) const;
  void read_chunks(const Box& box, const BoxMemory<std::byte>& to, DecodeBuffers& buffers) const;
  void read_chunk(const std::vector<std::int64_t>& corner, const Box& box,
                  const BoxMemory<std::byte>& to, DecodeBuffers& buffers) const;
  void read_by_library(const Box& box, const BoxMemory<std::byte>& to,
                       DecodeBuffers& buffers) const;

  Hdf5Dataset dataset_;
  RowAxes axes_;
  std::vector<std::shared_ptr<const OffsetFile>>
      offset_files_;  ///< one per segment of the dataset, if values are read by offset
  std::unique_ptr<DecodeCounts> counts_ = std::make_unique<DecodeCounts>();
  std::vector<std::int64_t> chunk_strides_;
  std::size_t row_bytes_ = 0, chunk_bytes_ = 0;
  RowBlocks blocks_;
  std::int64_t chunks_per_block_ = 1;
  bool decodes_chunks_ = false, reads_by_offset_ = false;
};

}  // namespace vae_dist::hdf5
