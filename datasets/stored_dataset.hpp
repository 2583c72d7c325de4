// Datasets with their values as they are stored, whatever their type: what converting and verifying
// need beside Hdf5Dataset.
//
// Thread safety: as hdf5/file.hpp's.
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

/// How many values a box of these sizes holds.
std::size_t element_count(const std::vector<std::int64_t>& sizes);

class StoredDataset {
 public:
  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }
  const std::string& place() const { return place_; }  ///< for messages: "a.h5, dataset 'imgs'"
  const std::vector<std::int64_t>& shape() const { return shape_; }
  const std::vector<std::int64_t>& chunk() const { return chunk_; }  ///< empty: not chunked
  std::int64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  bool is_empty() const {
    return is_empty_;
  }  ///< no values: an axis of nothing, or HDF5's null space
  std::size_t element_bytes() const { return element_bytes_; }
  std::size_t row_bytes() const;
  bool is_plain() const {
    return plain_;
  }  ///< its bytes mean the same in another file: no text of variable length, no references
  bool same_type(const StoredDataset& other) const;

  /// What would notice a changed byte: "Fletcher32", "deflate's Adler-32", "nothing", ...
  std::string checksum() const;

  /// Values of a box of the dataset as they are stored (plain types). Throws BadInput with HDF5's
  /// reason alone: the caller knows what it reads, and whether to go on.
  void read(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count,
            std::span<std::uint8_t> out) const;

  /// What the numbers of a box are, converted by the library. Other elements are read, and not
  /// looked at. Throws as read().
  Numbers look_at(const std::vector<std::int64_t>& first,
                  const std::vector<std::int64_t>& count) const;

  void write_chunk(std::int64_t first_row, std::span<const std::uint8_t> encoded);

  /// Attributes of `from`, another file's: also texts and compounds. Those that refer to objects of
  /// their file are left out and named.
  std::vector<std::string> copy_attributes(const StoredDataset& from);

 private:
  friend class StoredFile;
  StoredDataset(std::shared_ptr<hdf5::Hdf5Handle> id, std::string file, std::string path);

  std::shared_ptr<hdf5::Hdf5Handle> id_;
  std::string file_, path_, place_;
  std::vector<std::int64_t> shape_, chunk_;
  std::size_t element_bytes_ = 0;
  bool plain_ = false, is_empty_ = false;
};

}  // namespace vae_dist::datasets
