// One dataset of an HDF5 file: its properties, its rows, and its chunks as stored.
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
#include "hdf5/file_identity.hpp"
#include "hdf5/row_axes.hpp"
#include "hdf5/stored_number.hpp"

namespace vae_dist::hdf5 {

/// Element types that reading and writing distinguish. uint8: 8-bit unsigned. int64: any other
/// integer. other: half precision, text, compound, ...
enum class ElementType { uint8, int64, float32, float64, other };

/// How the values of a dataset are stored. contiguous: one after another, in its file or in
/// external raw files (see StoredSegment). other: compact, virtual or never written; only the
/// library can read these.
enum class StorageKind { chunked, contiguous, other };

/// Consecutive values that are stored unchanged in a file: a whole contiguous dataset, or the part
/// of it that one external raw file holds.
struct StoredSegment {
  std::string file;
  std::uint64_t offset = 0, bytes = 0;  ///< offset from the start of the file
};

/// A chunk as stored. If `bytes` is empty, the chunk was never written and holds the fill value.
struct StoredChunk {
  std::vector<std::byte> bytes;
  std::uint32_t filter_mask = 0;  ///< see ChunkDecoder
};

class Hdf5Handle;
class OpenDataset;

/// One dataset of an open file. Keeps the file open unless Hdf5File::close() is called. All members
/// throw Failure, naming the file and the dataset, if HDF5 fails (a damaged chunk, a filter that is
/// not installed, a full disk).
class Hdf5Dataset {
 public:
  const std::string& file() const { return file_; }  ///< the name it was opened with
  const std::string& path() const { return path_; }
  std::string where()
      const;  ///< for messages: "a.h5, dataset 'imgs'", and "... (in b.h5)" behind an external link
  /// All files that values come from: the file that holds the dataset (behind an external link,
  /// this is not file()), external raw files, and the sources of a virtual dataset.
  const std::vector<std::string>& source_files() const { return source_files_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  ElementType type() const { return type_; }
  const std::string& type_name() const {
    return type_name_;
  }  ///< for messages: "uint8", "int16", "float32", "compound", ...
  const std::vector<std::int64_t>& chunk() const { return chunk_; }  ///< empty if not chunked
  std::string filters() const;  ///< for messages: "shuffle, deflate(4)" or "none"
  std::uint64_t stored_bytes() const;

  /// The format of each stored value; empty if the values are not plain numbers (text, compound,
  /// ...). A boolean as written by h5py is a byte.
  const std::optional<StoredNumber>& number() const { return number_; }
  StorageKind storage() const { return storage_; }
  const std::vector<ChunkFilter>& pipeline() const { return pipeline_; }
  /// Throws BadInput, naming the filter, if the pipeline has one that neither ChunkDecoder nor the
  /// installed library can undo.
  void check_filters() const;
  const std::vector<StoredSegment>& segments() const {
    return segments_;
  }  ///< in order, if contiguous; otherwise empty

  /// Returns the same dataset of another file, which has the same bytes as this one but for the
  /// values. HDF5 opens that file only if it is needed. This one must be in its own file, and
  /// contiguous.
  Hdf5Dataset in_twin(const std::string& file, const FileIdentity& identity) const;

  /// Lets the file be closed while many others are used; the next use reopens it. For readers of
  /// thousands of files. The file must not change in the meantime. A virtual dataset stays open,
  /// because HDF5 would not report a source that disappears.
  void close_when_idle();

  /// Reads the chunk whose first value has these (chunk-aligned) coordinates, as stored. Reuses the
  /// memory of `chunk`. Throws Failure if the chunk cannot be read.
  void read_chunk(std::span<const std::int64_t> corner, StoredChunk& chunk) const;

  /// Reads rows [first, first + rows) with their values as stored (byte order included). Always
  /// reads through the library, whatever the storage kind.
  void read_stored(std::int64_t first, std::int64_t rows, std::span<std::byte> out) const;

  /// Reads a box with its values as stored, in C order, through the library.
  void read_box(const Box& box, std::span<std::byte> out) const;

  /// Reads rows [first, first + rows) of the first axis, converted to the type of `out`, whose size
  /// must be rows * (product of the other axes). Throws BadInput if rows are out of range.
  void read_rows(std::int64_t first, std::int64_t rows, std::span<std::uint8_t> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<float> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<double> out) const;
  void read_rows(std::int64_t first, std::int64_t rows, std::span<std::int64_t> out) const;

  void write_rows(std::int64_t first, std::int64_t rows, std::span<const std::uint8_t> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const float> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const double> values);
  void write_rows(std::int64_t first, std::int64_t rows, std::span<const std::int64_t> values);

  /// Writes values as stored; see read_stored().
  void write_stored(std::int64_t first, std::int64_t rows, std::span<const std::byte> values);

  /// Writes one chunk that the caller has already filtered (compressed), at the chunk-aligned row
  /// `first` (H5Dwrite_chunk). The last chunk is as long as the others; its part beyond the last
  /// row is not read.
  void write_chunk(std::int64_t first, std::span<const std::uint8_t> filtered);
  /// The same for the chunk whose first value has these (chunk-aligned) coordinates.
  void write_chunk(std::span<const std::int64_t> corner, std::span<const std::uint8_t> filtered);

  /// Drops the rows from `rows` on. The dataset must be chunked. For writers that learn the number
  /// of rows only at the end.
  void shrink(std::int64_t rows);

  /// Text and list-of-text attributes, stored as variable-length UTF-8, which h5py reads as str.
  /// Setting an attribute again replaces it. Reading one that is absent or not text returns an
  /// empty value.
  void set_attribute(const std::string& name, const std::string& value);
  void set_attribute(const std::string& name, const std::vector<std::string>& values);
  std::string text_attribute(const std::string& name) const;
  std::vector<std::string> text_list_attribute(const std::string& name) const;
  /// Returns a single number (a boolean as h5py writes it is 0 or 1); empty if the attribute is
  /// absent or something else.
  std::optional<double> number_attribute(const std::string& name) const;
  /// Returns the numbers of an attribute; empty if it is absent or something else.
  std::vector<double> number_list_attribute(const std::string& name) const;
  /// Returns a hash of all attributes: their names, and the values of those that are texts or
  /// numbers. It does not depend on how they are stored.
  std::uint64_t attributes_hash() const;
  /// Returns the name of each axis: its label, or else the name of its first dimension scale
  /// (HDF5's Dimension Scales specification); empty if no axis has one.
  std::vector<std::string> axis_names() const;

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
      false;  // chunks that extend beyond the dataset are stored without filters
};

/// "[20000, 64, 64, 3]".
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace vae_dist::hdf5
