// A file whose datasets are StoredDatasets: read, or made after another's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"
#include "datasets/stored_dataset.hpp"

namespace vae_dist::datasets {

class StoredFile {
 public:
  /// As Hdf5File::open and Hdf5File::create, and with their errors.
  static StoredFile open(const std::string& path);
  static StoredFile create(const std::string& path);

  const std::string& path() const { return path_; }
  StoredDataset dataset(const std::string& path) const;

  /// A dataset of the type of `like`, with `rows` rows in whole-row chunks.
  StoredDataset create_like(const StoredDataset& like, std::int64_t rows, std::int64_t chunk_rows,
                            const Compression& compression);

  /// The dataset of another file with all that belongs to it, as it is.
  void copy(const StoredFile& from, const std::string& path);

  /// The attributes of the file itself (Fuel's `split`); those that refer to objects are left out
  /// and named.
  std::vector<std::string> copy_attributes(const StoredFile& from);

  /// Throws Failure when what was written cannot be completed (a full disk).
  void close();

 private:
  StoredFile(std::shared_ptr<hdf5::Hdf5Handle> id, std::string path)
      : id_(std::move(id)), path_(std::move(path)) {}
  std::shared_ptr<hdf5::Hdf5Handle> id_;
  std::string path_;
};

}  // namespace vae_dist::datasets
