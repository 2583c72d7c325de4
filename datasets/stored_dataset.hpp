// Access to a dataset's values as they are stored, for any type. Complements Hdf5Dataset for
// convert and verify.
//
// Thread safety: as in hdf5/file.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/numbers.hpp"

namespace vae_dist::hdf5 {
class Hdf5Handle;
}

namespace vae_dist::datasets {

/// Returns the number of values in a box of these sizes.
std::size_t element_count(const std::vector<std::int64_t>& sizes);

class StoredDataset {
 public:
  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }
  const std::string& where() const { return where_; }  ///< for messages: "a.h5, dataset 'imgs'"
  const std::vector<std::int64_t>& shape() const { return shape_; }
  const std::vector<std::int64_t>& chunk() const { return chunk_; }  ///< empty: not chunked
  std::int64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  bool is_empty() const {
    return is_empty_;
  }  ///< no values: an axis of size 0, or HDF5's null dataspace
  std::size_t element_bytes() const { return element_bytes_; }
  std::size_t row_bytes() const;
  bool is_plain() const {
    return plain_;
  }  ///< its bytes keep their meaning in another file: no variable-length text, no references
  bool same_type(const StoredDataset& other) const;

  /// Returns the checksum that would detect a changed byte: "Fletcher32", "deflate's Adler-32" or
  /// "nothing".
  std::string checksum() const;

  /// Reads the values of a box as they are stored (plain types only). Throws BadInput with HDF5's
  /// reason only, without the place: the caller knows it and decides whether to continue.
  void read(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count,
            std::span<std::uint8_t> out) const;

  /// Returns the statistics of a box of numbers, converted by the library. Elements that are not
  /// numbers are read but not examined. Throws like read().
  Numbers look_at(const std::vector<std::int64_t>& first,
                  const std::vector<std::int64_t>& count) const;

  void write_chunk(std::int64_t first_row, std::span<const std::uint8_t> encoded);

  /// Copies the attributes of `from`, a dataset of another file, including texts and compounds.
  /// Leaves out those that refer to objects of their file, and returns their names.
  std::vector<std::string> copy_attributes(const StoredDataset& from);

 private:
  friend class StoredFile;
  StoredDataset(std::shared_ptr<hdf5::Hdf5Handle> id, std::string file, std::string path);

  std::shared_ptr<hdf5::Hdf5Handle> id_;
  std::string file_, path_, where_;
  std::vector<std::int64_t> shape_, chunk_;
  std::size_t element_bytes_ = 0;
  bool plain_ = false, is_empty_ = false;
};

}  // namespace vae_dist::datasets
