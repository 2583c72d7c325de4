// One dataset of an HDF5 file: what it is, its rows, and its chunks as they are stored.
//
// Thread safety: see file.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hdf5/chunk_filters.hpp"
#include "hdf5/stored_number.hpp"

namespace vae_dist::hdf5 {

/// What rows are written as. uint8: 8-bit unsigned. int64: any other integer. other: half
/// precision, text, compound, ...
enum class ElementType { uint8, int64, float32, float64, other };

/// How the values of a dataset lie. contiguous: one after the other, in its file or in external raw
/// ones, see StoredSegment. other: compact, virtual, or never written: read by the library alone.
enum class StorageKind { chunked, contiguous, other };

/// Consecutive values that lie in a file as they are: all of a contiguous dataset, or the part that
/// one of its external raw files holds.
struct StoredSegment {
  std::string file;
  std::uint64_t offset = 0, bytes = 0;  ///< from the file's first byte on
};

/// A chunk as it is stored. `bytes` empty: it was never written, and its values are the fill value.
struct StoredChunk {
  std::vector<std::byte> bytes;
  std::uint32_t filter_mask = 0;  ///< see ChunkDecoder
};

class Hdf5Handle;
class OpenDataset;

/// One dataset of an open file. It keeps the file open, unless Hdf5File::close() is called.
/// Everything here throws Failure with file and dataset path when HDF5 does (a damaged chunk, a
/// filter that is not installed, a full disk).
class Hdf5Dataset {
 public:
  const std::string& file() const { return file_; }  ///< as it was opened
  const std::string& path() const { return path_; }
  std::string where()
      const;  ///< for messages: "a.h5, dataset 'imgs'"; "... (in b.h5)" behind an external link
  /// All files that values come from: the one that holds the dataset (behind an external link not
  /// file()), external raw files, the sources of a virtual one.
  const std::vector<std::string>& source_files() const { return source_files_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  ElementType type() const { return type_; }
  const std::string& type_name() const {
    return type_name_;
  }  ///< for messages: "uint8", "int16", "float32", "compound", ...
  const std::vector<std::int64_t>& chunk() const { return chunk_; }  ///< empty: not chunked
  std::string filters() const;  ///< for people: "shuffle, deflate(4)" or "none"
  std::uint64_t stored_bytes() const;

  /// How each value is stored; empty: it is no plain number (text, compound, ...). A boolean as
  /// h5py writes it is a byte.
  const std::optional<StoredNumber>& number() const { return number_; }
  StorageKind storage() const { return storage_; }
  const std::vector<ChunkFilter>& pipeline() const { return pipeline_; }
  /// Throws BadInput naming a filter of the pipeline that neither we nor the installed library can
  /// undo.
  void check_filters() const;
  const std::vector<StoredSegment>& segments() const {
    return segments_;
  }  ///< in order, when contiguous; else empty

  /// From now on the file may be closed while many others are used, and is opened again with the
  /// next use: for readers of thousands of files. It must not change meanwhile. A virtual dataset
  /// stays open: HDF5 would not tell of a source that got lost.
  void close_when_idle();

  /// The chunk whose first value has these (chunk-aligned) coordinates, as stored. `chunk` is
  /// reused. Throws Failure when it cannot be read.
  void read_chunk(std::span<const std::int64_t> corner, StoredChunk& chunk) const;

  /// Rows [first, first + rows) with their values as stored (byte order and all), through the
  /// library whatever the storage is.
  void read_stored(std::int64_t first, std::int64_t rows, std::span<std::byte> out) const;

  /// Rows [first, first + rows) of the first axis, converted to the type of `out`, whose size must
  /// be rows * (product of the other axes). Throws BadInput for rows out of range.
  void read_rows(std::int64_t first, std::int64_t rows, std::span<std::uint8_t> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<float> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<double> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<std::int64_t> out) const;

  void write_rows(std::int64_t first, std::int64_t rows, std::span<const std::uint8_t> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const float> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const double> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const std::int64_t> values);

  /// Values as they are stored, see read_stored().
  void write_stored(std::int64_t first, std::int64_t rows, std::span<const std::byte> values);

  /// One chunk, already filtered (compressed by the caller), at chunk-aligned row `first`
  /// (H5Dwrite_chunk). The last chunk is as long as the others: what lies beyond the last row is
  /// not read.
  void write_chunk(std::int64_t first, std::span<const std::uint8_t> filtered);

  /// Gives up the rows from `rows` on, of a chunked dataset: for a maker that learns only at the
  /// end how many there are.
  void shrink(std::int64_t rows);

  /// Text and list-of-text attributes, as UTF-8 of variable length: h5py reads str. Setting one
  /// twice replaces it. Reading one that is absent or no text gives an empty value.
  void set_attribute(const std::string& name, const std::string& value);
  void set_attribute(const std::string& name, const std::vector<std::string>& values);
  std::string text_attribute(const std::string& name) const;
  std::vector<std::string> text_list_attribute(const std::string& name) const;
  /// A single number; empty where it is absent or something else.
  std::optional<double> number_attribute(const std::string& name) const;

 private:
  friend class Hdf5File;
  Hdf5Dataset(std::shared_ptr<OpenDataset> open, std::string file, std::string path);
  template <typename T>
  void read(std::int64_t first, std::int64_t rows, std::span<T> out) const;
  template <typename T>
  void write(std::int64_t first, std::int64_t rows, std::span<const T> values);
  void find_storage();
  std::int64_t id() const;

  std::shared_ptr<OpenDataset> open_;
  std::string file_, path_, type_name_, data_file_;
  std::vector<std::string> source_files_;
  std::vector<StoredSegment> segments_;
  std::vector<std::int64_t> shape_, chunk_;
  ElementType type_ = ElementType::other;
  std::optional<StoredNumber> number_;
  StorageKind storage_ = StorageKind::other;
  std::vector<ChunkFilter> pipeline_;
  bool edges_unfiltered_ =
      false;  // chunks that reach beyond the dataset are stored without filters
};

/// "[20000, 64, 64, 3]".
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace vae_dist::hdf5
