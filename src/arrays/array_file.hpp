// The arrays of one HDF5 file that hold its samples: one dataset, or several that are the channels
// of the same samples.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arrays/array_axes.hpp"
#include "hdf5/file.hpp"
#include "hdf5/sparse_rows.hpp"
#include "hdf5/stored_rows.hpp"

namespace vae_dist::arrays {

/// Which datasets are read, and how.
struct ArrayChoice {
  std::vector<std::string> datasets =
      {};                       ///< paths; empty: the only image-shaped dataset. Several
                                ///< are the channels (or values of vectors), in this order
  std::string layout = "auto";  ///< see array_axes.hpp
};

class ArrayFile {
 public:
  /// One dataset among those that make up a sample.
  struct Part {
    std::unique_ptr<hdf5::StoredRows> stored;
    ArrayAxes axes;
    std::int64_t channels = 1, first_channel = 0;

    std::vector<std::int64_t> row_shape() const { return stored->axes().row_shape(); }
  };

  /// Opens the datasets. Throws BadInput, naming the file and the dataset, if the file is missing
  /// or truncated, has no candidate or several, or if a dataset holds no samples, values that are
  /// not plain numbers, a shape that the layout does not fit, or other rows or space than the first
  /// one. `may_close`: it may be closed while many other files are read. `like`: also throws
  /// BadInput unless the samples have the same axes, shape and types as those of this file.
  ArrayFile(const std::string& file, const ArrayChoice& choice, bool may_close,
            const ArrayFile* like = nullptr);
  /// The same arrays of another file, which differs from `like` in their values alone; see
  /// file_twins.hpp.
  ArrayFile(const ArrayFile& like, const std::shared_ptr<const hdf5::OffsetFile>& twin);

  bool is_twin() const { return is_twin_; }

  const std::vector<Part>& parts() const { return parts_; }
  /// The first dataset; of a sparse matrix, that of its entries' values.
  const hdf5::StoredRows& first() const {
    return sparse_ ? sparse_->values() : *parts_.front().stored;
  }
  /// The dataset of a part; of a sparse matrix, that of its entries' values.
  const hdf5::Hdf5Dataset& dataset(std::size_t part) const {
    return sparse_ ? first().dataset() : parts_[part].stored->dataset();
  }
  std::int64_t rows() const { return sparse_ ? sparse_->rows() : first().rows(); }
  /// The sparse matrix whose rows the samples are, as vectors; null: they are stored densely. Then
  /// there are no parts.
  const hdf5::SparseRows* sparse() const { return sparse_.get(); }
  const std::string& sparse_path() const { return sparse_path_; }
  hdf5::RowBlocks blocks() const;

  /// The samples: of one dataset as it stores them, of several with the channels first.
  const SampleShape& shape() const { return shape_; }
  const SampleLayout& layout() const { return layout_; }
  /// Returns whether all values are stored as unsigned bytes.
  bool holds_bytes() const;

  std::string where() const;  ///< "a.h5:/imgs", "a.h5:/rho, u, v"

 private:
  void read_sparse(const hdf5::Hdf5File& file, const ArrayChoice& choice);
  void require_alike(const ArrayFile& other) const;

  std::vector<Part> parts_;
  std::unique_ptr<hdf5::SparseRows> sparse_;
  std::string sparse_path_;
  SampleShape shape_;
  SampleLayout layout_;
  bool is_twin_ = false;
};

}  // namespace vae_dist::arrays
