// RAII wrappers of HDF5 files whose exceptions name the file and the dataset. This header does not
// include HDF5's own.
//
// Thread safety: files and datasets may be used from several threads. One lock serialises the
// calls, as in HDF5 itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hdf5/dataset.hpp"

namespace vae_dist::hdf5 {

struct DatasetLayout {
  std::vector<std::int64_t> shape;
  ElementType type = ElementType::uint8;
  std::int64_t chunk_rows = 0;  ///< 0 = contiguous; values above the number of rows mean all rows
  std::vector<std::int64_t> chunk = {};  ///< along every axis, instead of chunk_rows
  int deflate_level = 0;                 ///< 0 = uncompressed
  bool shuffle = false;
};

/// One entry of the `split` attribute that Fuel writes.
struct FuelSplit {
  std::string split, source;         ///< name of the split ("train") and path of its dataset
  std::int64_t start = 0, stop = 0;  ///< range of rows, used if `indices` is empty
  std::vector<std::int64_t> indices;
};

/// What an attribute holds. Texts and numbers are stored as Hdf5Dataset::set_attribute stores
/// texts, and as 64-bit numbers; bool as h5py stores it, an enumeration of FALSE and TRUE in a
/// byte.
using AttributeValue = std::variant<std::string, std::vector<std::string>, std::int64_t, double,
                                    std::vector<double>, bool, std::vector<bool>>;

class Hdf5File {
 public:
  /// Opens a file read-only and without file locking (Lustre and NFS refuse locks). Throws BadInput
  /// if the file is missing, unreadable, truncated or not HDF5.
  static Hdf5File open(const std::string& path);

  /// Creates a file, replacing an existing one. Throws BadInput if the path cannot be written.
  static Hdf5File create(const std::string& path);

  const std::string& path() const { return path_; }

  /// Opens a dataset. Throws BadInput, listing the datasets that exist, if there is no such
  /// dataset, or with the reason if it cannot be read (a damaged header, missing sources).
  Hdf5Dataset dataset(const std::string& path) const;

  struct Contents {
    std::vector<std::string> datasets;  ///< full paths, sorted: "imgs", "latents/values"; a dataset
                                        ///< that several links lead to is listed once
    std::vector<std::string>
        dangling_links;  ///< soft and external links whose target does not exist
  };
  /// Lists the datasets of the file. Throws BadInput, naming the object and HDF5's reason, if an
  /// object exists but cannot be opened.
  Contents contents() const;
  std::vector<std::string> dataset_paths() const { return contents().datasets; }

  /// Attributes of a group or dataset; see Hdf5Dataset. Empty if there is no such object either.
  std::string text_attribute(const std::string& path, const std::string& name) const;
  std::vector<double> number_list_attribute(const std::string& path, const std::string& name) const;

  /// Returns the entries of the `split` attribute; empty if the file has none. Throws BadInput if
  /// the attribute does not have Fuel's format.
  std::vector<FuelSplit> fuel_splits() const;

  /// Creates a dataset and, if needed, the groups that it lies in.
  Hdf5Dataset create_dataset(const std::string& path, const DatasetLayout& layout);

  /// Creates a contiguous dataset with the type and shape of `like`, a dataset of another file,
  /// except for the number of rows. Does not copy attributes.
  Hdf5Dataset create_like(const Hdf5Dataset& like, const std::string& path, std::int64_t rows);

  /// Sets an attribute of a dataset or group ("/": the file itself), replacing an existing one.
  /// Creates the group, and those that it lies in, if there is no such object. Throws Failure if
  /// HDF5 fails.
  void set_attribute(const std::string& object, const std::string& name,
                     const AttributeValue& value);

  /// Flushes and closes the file; any further use is an error. The destructor closes the file too
  /// but cannot report a failed write.
  void close();

 private:
  Hdf5File(std::shared_ptr<Hdf5Handle> handle, std::string path)
      : handle_(std::move(handle)), path_(std::move(path)) {}
  std::int64_t id() const;

  std::shared_ptr<Hdf5Handle> handle_;
  std::string path_;
};

/// Returns all files that the values of the datasets in `path` come from, beginning with `path`
/// itself: files behind external links, external raw files, and the sources of virtual datasets.
/// Throws BadInput as Hdf5File does.
std::vector<std::string> source_files_of(const std::string& path);

}  // namespace vae_dist::hdf5
