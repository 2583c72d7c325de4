// The rows of one dataset, decoded outside of HDF5's lock wherever that can be done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "hdf5/dataset.hpp"
#include "hdf5/offset_file.hpp"

namespace vae_dist::hdf5 {

/// What one thread needs to decode; kept from one read to the next.
struct DecodeBuffers {
  ChunkDecoder decoder;
  StoredChunk stored;
  std::vector<std::byte> chunk;
};

/// How often the storage was read, by all threads of this process.
struct DecodeCounts {
  std::atomic<std::int64_t> chunks{0};         ///< chunks decoded here
  std::atomic<std::int64_t> library_reads{0};  ///< reads that only the library can do
};

class StoredRows {
 public:
  /// Throws BadInput for values that are no plain numbers, and for a filter that neither we nor the
  /// installed library can undo.
  explicit StoredRows(Hdf5Dataset dataset);

  const Hdf5Dataset& dataset() const { return dataset_; }
  const StoredNumber& number() const { return *dataset_.number(); }
  std::int64_t rows() const { return dataset_.shape()[0]; }
  std::size_t row_bytes() const { return row_bytes_; }  ///< as stored

  /// Rows that are best read together: those of a chunk; where there are no chunks, as many as half
  /// a MiB holds. Bands begin at multiples.
  std::int64_t band_rows() const { return band_rows_; }
  /// Chunks that hold parts of one row. More than one: a row cannot be read without decoding them
  /// all.
  std::int64_t chunks_per_band() const { return chunks_per_band_; }

  /// Rows [first, first + count) as stored (byte order and all): count * row_bytes(). Each chunk
  /// that holds any of them is decoded once. Safe from several threads, each with its buffers.
  /// Throws Failure naming file, dataset and chunk.
  void read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
            DecodeBuffers& buffers) const;

  /// These rows will be read soon: where it is known at which offset of the file they lie, the
  /// system reads them into its page cache meanwhile. Returns at once.
  void will_need(std::int64_t first, std::int64_t count) const;

  const DecodeCounts& counts() const { return *counts_; }

 private:
  /// Visits the parts of the segments that hold bytes [first, first + bytes) of the values: (file,
  /// offset, place among these bytes, size).
  template <typename Visit>
  void for_each_part(std::uint64_t first, std::uint64_t bytes, Visit visit) const;
  void read_contiguous(std::int64_t first, std::span<std::byte> out) const;
  void read_chunk(std::span<const std::int64_t> corner, std::int64_t first, std::int64_t count,
                  std::span<std::byte> out, DecodeBuffers& buffers) const;

  Hdf5Dataset dataset_;
  std::vector<std::unique_ptr<OffsetFile>>
      offset_files_;  ///< of each segment of the dataset, when values are read by offset
  std::unique_ptr<DecodeCounts> counts_ = std::make_unique<DecodeCounts>();
  std::size_t row_bytes_ = 0, chunk_bytes_ = 0;
  std::int64_t band_rows_ = 1, chunks_per_band_ = 1;
  bool decoded_here_ = false, contiguous_ = false;
};

}  // namespace vae_dist::hdf5
