// HDF5 as RAII handles that throw with file and dataset path in the message. HDF5's own header
// stays inside the .cpp files.
//
// Thread safety: files and datasets may be used from several threads; calls wait for each other at
// one lock, as in HDF5 itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hdf5/dataset.hpp"

namespace vae_dist::hdf5 {

struct DatasetLayout {
  std::vector<std::int64_t> shape;
  ElementType type = ElementType::uint8;
  std::int64_t chunk_rows = 0;  ///< 0: contiguous; more than there are rows: all rows
  int deflate_level = 0;        ///< 0: none
  bool shuffle = false;
};

/// An entry of Fuel's attribute `split`.
struct FuelSplit {
  std::string split, source;         ///< "train", and the path of the dataset that it is a part of
  std::int64_t start = 0, stop = 0;  ///< the rows, when `indices` is empty
  std::vector<std::int64_t> indices;
};

class Hdf5File {
 public:
  /// Opens read-only, file locking off (Lustre and NFS refuse locks). Throws BadInput: missing,
  /// unreadable, not HDF5, truncated.
  static Hdf5File open(const std::string& path);

  /// Creates a new file; replaces an existing one. Throws BadInput when the place cannot be
  /// written.
  static Hdf5File create(const std::string& path);

  const std::string& path() const { return path_; }

  /// Throws BadInput naming the file and the dataset paths that do exist, or why it cannot be read:
  /// a damaged header, sources that are missing.
  Hdf5Dataset dataset(const std::string& path) const;

  struct Contents {
    std::vector<std::string> datasets;  ///< full paths, sorted: "imgs", "latents/values"; one that
                                        ///< several links lead to has one name
    std::vector<std::string> dangling_links;  ///< soft and external ones that lead to nothing
  };
  /// Throws BadInput naming what is there and cannot be opened, with HDF5's reason.
  Contents contents() const;
  std::vector<std::string> dataset_paths() const { return contents().datasets; }

  /// Empty where the file has no such attribute. Throws BadInput for one that is not as Fuel writes
  /// it.
  std::vector<FuelSplit> fuel_splits() const;

  /// Makes groups on the way.
  Hdf5Dataset create_dataset(const std::string& path, const DatasetLayout& layout);

  /// A contiguous dataset of another file's type and shape, but for the number of rows; without
  /// attributes.
  Hdf5Dataset create_like(const Hdf5Dataset& like, const std::string& path, std::int64_t rows);

  /// Flushes and closes; further use is an error. The destructor closes too but cannot report a
  /// failed write.
  void close();

 private:
  Hdf5File(std::shared_ptr<Hdf5Handle> handle, std::string path)
      : handle_(std::move(handle)), path_(std::move(path)) {}
  std::int64_t id() const;

  std::shared_ptr<Hdf5Handle> handle_;
  std::string path_;
};

/// All files that the values of a file's datasets come from, itself first: also behind external
/// links, external raw files, the sources of virtual datasets. Throws BadInput as Hdf5File does.
std::vector<std::string> source_files_of(const std::string& file);

}  // namespace vae_dist::hdf5
