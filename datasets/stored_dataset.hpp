// Datasets with their values as they are stored, whatever their type: what converting and verifying need beside Hdf5Dataset.
//
// Not for several threads at once, nor beside another thread that uses HDF5: a build of the library without thread safety would not bear it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist {

class StoredId;

class StoredDataset {
 public:
  const std::string& path() const { return path_; }
  const std::string& place() const { return place_; }   ///< for messages: "a.h5, dataset 'imgs'"
  const std::vector<std::int64_t>& shape() const { return shape_; }
  const std::vector<std::int64_t>& chunk() const { return chunk_; }   ///< empty: not chunked
  std::int64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  bool is_empty() const { return is_empty_; }            ///< no values: an axis of nothing, or HDF5's null space
  std::size_t element_bytes() const { return element_bytes_; }
  std::size_t row_bytes() const;
  bool is_plain() const { return plain_; }   ///< its bytes mean the same in another file: no text of variable length, no references
  bool same_type(const StoredDataset& other) const;

  /// What would notice a changed byte: "Fletcher32", "deflate's Adler-32", "nothing", ...
  std::string checksum() const;

  /// Values of a box of the dataset as they are stored (plain types). Throws BadInput with HDF5's reason alone: the caller knows what it
  /// reads, and whether to go on.
  void read(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count, std::span<std::uint8_t> out) const;

  /// What the numbers of a box are. Other elements are read, and not looked at.
  struct Numbers {
    std::int64_t values = 0, not_a_number = 0, infinite = 0;
    double least = 0, greatest = 0;   ///< of the finite ones, where there is one
    bool any_finite() const { return values > not_a_number + infinite; }
    void add(const Numbers& other);
  };
  Numbers look_at(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count) const;

  void write_chunk(std::int64_t first_row, std::span<const std::uint8_t> encoded);

  /// Attributes of `from`, another file's: also texts and compounds. Those that refer to objects of their file are left out and named.
  std::vector<std::string> copy_attributes(const StoredDataset& from);

 private:
  friend class StoredFile;
  StoredDataset(std::shared_ptr<StoredId> file, std::shared_ptr<StoredId> id, std::string file_name, std::string path);

  std::shared_ptr<StoredId> file_, id_;   // in this order: the dataset closes first
  std::string path_, place_;
  std::vector<std::int64_t> shape_, chunk_;
  std::size_t element_bytes_ = 0;
  bool plain_ = false, is_empty_ = false;
};

class StoredFile {
 public:
  /// As Hdf5File::open and Hdf5File::create, and with their errors.
  static StoredFile open(const std::string& path);
  static StoredFile create(const std::string& path);

  const std::string& path() const { return path_; }
  StoredDataset dataset(const std::string& path) const;

  /// A dataset of the type of `like`, with `rows` rows in whole-row chunks.
  StoredDataset create_like(const StoredDataset& like, std::int64_t rows, std::int64_t chunk_rows, const Compression& compression);

  /// The dataset of another file with all that belongs to it, as it is.
  void copy(const StoredFile& from, const std::string& path);

  /// The attributes of the file itself (Fuel's `split`); those that refer to objects are left out and named.
  std::vector<std::string> copy_attributes(const StoredFile& from);

  /// Throws Failure when what was written cannot be completed (a full disk).
  void close();

 private:
  StoredFile(std::shared_ptr<StoredId> id, std::string path) : id_(std::move(id)), path_(std::move(path)) {}
  std::shared_ptr<StoredId> id_;
  std::string path_;
};

/// Calls `visit` with first element and size of each chunk, in the order of rows; of a dataset without chunks with blocks of rows of about
/// 16 MiB. Boxes at the edges are cut off.
void for_each_chunk(const StoredDataset& dataset,
                    const std::function<void(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count)>& visit);

/// How many calls that makes.
std::int64_t count_chunks(const StoredDataset& dataset);

}  // namespace vae_dist
