// An HDF5 file whose datasets are StoredDatasets, to read or to create from another file's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"
#include "datasets/stored_dataset.hpp"

namespace vae_dist::datasets {

class StoredFile {
 public:
  /// Like Hdf5File::open and Hdf5File::create, with the same errors.
  static StoredFile open(const std::string& path);
  static StoredFile create(const std::string& path);

  const std::string& path() const { return path_; }
  StoredDataset dataset(const std::string& path) const;

  /// Creates a dataset with the path and type of `like`, with `rows` rows in chunks of whole rows.
  StoredDataset create_like(const StoredDataset& like, std::int64_t rows, std::int64_t chunk_rows,
                            const Compression& compression);

  /// Copies a dataset of another file unchanged, including its attributes.
  void copy(const StoredFile& from, const std::string& path);

  /// Copies the attributes of the file itself (such as Fuel's `split`). Leaves out those that refer
  /// to objects, and returns their names.
  std::vector<std::string> copy_attributes(const StoredFile& from);

  /// Flushes and closes the file. Throws Failure if that fails, for example on a full disk.
  void close();

 private:
  StoredFile(std::shared_ptr<hdf5::Hdf5Handle> id, std::string path)
      : id_(std::move(id)), path_(std::move(path)) {}
  std::shared_ptr<hdf5::Hdf5Handle> id_;
  std::string path_;
};

}  // namespace vae_dist::datasets
