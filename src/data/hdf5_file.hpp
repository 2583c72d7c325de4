// HDF5 as RAII handles that throw with file and dataset path in the message. HDF5's own header stays inside hdf5_file.cpp.
//
// Thread safety: files and datasets may be used from several threads; calls wait for each other at one lock, as in HDF5 itself.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vae_dist {

/// uint8: 8-bit unsigned. int64: any other integer. other: half precision, text, compound, ...
enum class ElementType { uint8, int64, float32, float64, other };

class Hdf5Handle;

/// One dataset of an open file. It keeps the file open, unless Hdf5File::close() is called. Everything here throws Failure with file and
/// dataset path when HDF5 does (a damaged chunk, a filter that is not installed, a full disk).
class Hdf5Dataset {
 public:
  const std::string& path() const { return path_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  ElementType type() const { return type_; }
  const std::string& type_name() const { return type_name_; }         ///< for messages: "uint8", "int16", "float32", "compound", ...
  const std::vector<std::int64_t>& chunk() const { return chunk_; }   ///< empty: not chunked
  std::string filters() const;                                        ///< for people: "shuffle, deflate(4)" or "none"
  std::uint64_t stored_bytes() const;

  /// Rows [first, first + rows) of the first axis, converted to the type of `out`, whose size must be rows * (product of the other axes).
  /// Throws BadInput for rows out of range.
  void read_rows(std::int64_t first, std::int64_t rows, std::span<std::uint8_t> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<float> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<double> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<std::int64_t> out) const;

  void write_rows(std::int64_t first, std::int64_t rows, std::span<const std::uint8_t> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const float> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const double> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const std::int64_t> values);

  /// One chunk, already filtered (compressed by the caller), at chunk-aligned row `first` (H5Dwrite_chunk). The last chunk is as long as the
  /// others: what lies beyond the last row is not read.
  void write_chunk(std::int64_t first, std::span<const std::uint8_t> filtered);

  /// Gives up the rows from `rows` on, of a chunked dataset: for a maker that learns only at the end how many there are.
  void shrink(std::int64_t rows);

  /// Text and list-of-text attributes, as UTF-8 of variable length: h5py reads str. Setting one twice replaces it. Reading one that is
  /// absent or no text gives an empty value.
  void set_attribute(const std::string& name, const std::string& value);
  void set_attribute(const std::string& name, const std::vector<std::string>& values);
  std::string text_attribute(const std::string& name) const;
  std::vector<std::string> text_list_attribute(const std::string& name) const;

 private:
  friend class Hdf5File;
  Hdf5Dataset(std::shared_ptr<Hdf5Handle> handle, std::string file, std::string path);
  template <typename T>
  void read(std::int64_t first, std::int64_t rows, std::span<T> out) const;
  template <typename T>
  void write(std::int64_t first, std::int64_t rows, std::span<const T> values);
  std::string where() const;
  std::int64_t id() const;

  std::shared_ptr<Hdf5Handle> handle_;
  std::string file_, path_, type_name_;
  std::vector<std::int64_t> shape_, chunk_;
  ElementType type_ = ElementType::other;
};

struct DatasetLayout {
  std::vector<std::int64_t> shape;
  ElementType type = ElementType::uint8;
  std::int64_t chunk_rows = 0;   ///< 0: contiguous; more than there are rows: all rows
  int deflate_level = 0;         ///< 0: none
  bool shuffle = false;
};

class Hdf5File {
 public:
  /// Opens read-only, file locking off (Lustre and NFS refuse locks). Throws BadInput: missing, unreadable, not HDF5, truncated.
  static Hdf5File open(const std::string& path);

  /// Creates a new file; replaces an existing one. Throws BadInput when the place cannot be written.
  static Hdf5File create(const std::string& path);

  const std::string& path() const { return path_; }

  /// Throws BadInput naming the file and the dataset paths that do exist.
  Hdf5Dataset dataset(const std::string& path) const;

  /// Full paths of all datasets, sorted: "imgs", "latents/values".
  std::vector<std::string> dataset_paths() const;

  /// Makes groups on the way.
  Hdf5Dataset create_dataset(const std::string& path, const DatasetLayout& layout);

  /// Flushes and closes; further use is an error. The destructor closes too but cannot report a failed write.
  void close();

 private:
  Hdf5File(std::shared_ptr<Hdf5Handle> handle, std::string path) : handle_(std::move(handle)), path_(std::move(path)) {}
  std::int64_t id() const;

  std::shared_ptr<Hdf5Handle> handle_;
  std::string path_;
};

}  // namespace vae_dist
