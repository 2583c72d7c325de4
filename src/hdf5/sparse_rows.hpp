// The rows of a sparse matrix in a group of three datasets, as AnnData and scanpy store the counts
// of single cells: compressed rows (CSR), whose entries lie in `data` and their columns in
// `indices`, those of row i from indptr[i] to indptr[i + 1].
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hdf5/file.hpp"
#include "hdf5/stored_rows.hpp"

namespace vae_dist::hdf5 {

/// A value that is not zero.
struct SparseEntry {
  std::uint32_t column = 0;
  float value = 0;
};

class SparseRows {
 public:
  /// Returns whether the object at this path is a group that says it holds a sparse matrix: its
  /// attribute encoding-type (h5sparse_format in old files) names one.
  static bool is_at(const Hdf5File& file, const std::string& path);

  /// Throws BadInput, naming the file and the group, if the matrix is compressed by columns (CSC,
  /// and says how to turn it), if a dataset is missing, if the three do not fit together, or as
  /// StoredRows does.
  SparseRows(const Hdf5File& file, const std::string& path);

  std::int64_t rows() const { return static_cast<std::int64_t>(begins_.size()) - 1; }
  std::int64_t columns() const { return columns_; }
  const StoredRows& values() const { return *values_; }  ///< the dataset `data`
  /// The rows that are best read together.
  RowBlocks blocks() const { return {rows(), block_rows_}; }
  /// Returns the number of entries of rows [first, first + count).
  std::int64_t entries(std::int64_t first, std::int64_t count) const {
    return begins_[static_cast<std::size_t>(first + count)] -
           begins_[static_cast<std::size_t>(first)];
  }

  /// Reads the entries of rows [first, first + count), one row after another: entries(first, count)
  /// of them. Thread-safe if each thread has its own buffers. Throws Failure, naming the file, the
  /// group and the row, if a chunk cannot be decoded, a column is out of range, or a value is not a
  /// finite number.
  void read(std::int64_t first, std::int64_t count, std::span<SparseEntry> out,
            DecodeBuffers& buffers) const;

  /// See StoredRows.
  void will_need(std::int64_t first, std::int64_t count) const;

 private:
  std::string where_;
  std::int64_t columns_ = 0, block_rows_ = 1;
  std::vector<std::int64_t> begins_;  // indptr
  std::unique_ptr<StoredRows> values_, indices_;
};

}  // namespace vae_dist::hdf5
