// The samples of one or several files as one sequence of rows, in the form that the rest of the
// program sees: decoded, cropped and resized.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arrays/array_file.hpp"
#include "arrays/file_twins.hpp"
#include "arrays/image_geometry.hpp"
#include "arrays/sample_layout.hpp"
#include "arrays/value_attributes.hpp"
#include "arrays/value_scale.hpp"

namespace vae_dist::arrays {

struct RowRange {
  std::int64_t first = 0, last = 0;  ///< last is excluded

  std::int64_t size() const { return last - first; }
  bool operator==(const RowRange&) const = default;
};

/// Buffers that one thread needs for reading, reused between reads.
struct RowBuffers {
  hdf5::DecodeBuffers decode;
  std::vector<std::byte> stored;
  std::vector<std::byte> packed;
  std::vector<float> part, values, resized;
  std::optional<ImageResizer> resizer;
};

class DecodedRows {
 public:
  /// Opens the files. Of files that hold one sample each (their layout has no N), only 64 are
  /// opened here; the others are opened, and checked, when they are read, and a few hundred of
  /// them stay open.
  /// Throws BadInput as ArrayFile does, and if the samples of the files differ in shape, layout or
  /// type.
  DecodedRows(const std::vector<std::string>& files, const ArrayChoice& choice);

  /// Returns the attributes with these names of the first dataset. Throws BadInput if files differ
  /// in one of them, in any of their datasets, because their values would mean different things; so
  /// does reading a file that is opened later.
  const ValueAttributes& common_attributes(const std::vector<std::string>& names);

  /// Sets which stored values read() accepts from now on; at first it accepts all. `reason` ends
  /// the message about any other value: it says where the limits come from.
  void limit(const ValueLimits& limits, std::string reason);
  /// From now on delivers floats, NaN for each value that the file says is missing: NaN, or the
  /// attribute _FillValue or missing_value of its dataset. Throws BadInput for sparse rows.
  void mask_missing(const Geometry& geometry);
  bool masks_missing() const { return masks_missing_; }
  const ValueLimits& limits() const { return limits_; }

  /// Sets what read() returns from now on. bytes: as uint8, rounded if resized (only for uint8
  /// images). Throws BadInput if the crop is too large.
  void deliver(const Geometry& geometry, bool bytes);

  std::int64_t rows() const { return rows_; }
  const SampleShape& shape() const { return shape_; }  ///< as delivered
  const SampleLayout& layout() const { return first().layout(); }
  PixelType type() const { return type_; }  ///< as delivered
  std::size_t image_bytes() const {
    return static_cast<std::size_t>(shape_.values()) * bytes_of(type_);
  }
  /// The format of the stored values; of several datasets, that of the first one.
  const hdf5::StoredNumber& number() const { return first().first().number(); }

  /// Returns whether rows are kept in memory in another form than they are delivered: the entries
  /// of a sparse matrix, as many as a row has. Otherwise packed rows are those that read()
  /// delivers.
  bool packs() const { return first().sparse() != nullptr; }
  /// Returns the bytes of rows [first, first + count) of one file in that form.
  std::size_t packed_bytes(std::int64_t first, std::int64_t count) const;
  /// Does the same as read() with packed rows: packed_bytes(first, count). The rows must lie in one
  /// file if packs().
  void read_packed(std::int64_t first, std::int64_t count, std::span<std::byte> out,
                   RowBuffers& buffers) const;
  /// Turns a packed row into what read() delivers, image_bytes(). Only if packs().
  void unpack(std::span<const std::byte> packed, std::span<std::byte> out) const;
  /// Returns the packed bytes of the rows of the longest block.
  std::size_t longest_block_bytes() const;
  const std::vector<std::string>& files() const { return files_; }
  std::string where() const;  ///< "a.h5:/imgs", "a.h5:/imgs and 2 more files"

  /// The files that were opened at the start: all, or 64 of those that hold one sample each.
  std::size_t opened_files() const { return opened_.size(); }
  const ArrayFile& opened(std::size_t i) const { return *opened_[i].arrays; }
  /// The first dataset of such a file, and the file itself (opened anew, as it may have been
  /// closed).
  const hdf5::StoredRows& stored(std::size_t i) const { return opened(i).first(); }
  hdf5::Hdf5File file(std::size_t i) const {
    return hdf5::Hdf5File::open(stored(i).dataset().file());
  }
  /// Returns all files that values come from, in about the order of the rows.
  std::vector<std::string> source_files() const;

  /// Returns the rows that are decoded together with this one: those of its chunk, within its file.
  RowRange block_of(std::int64_t row) const;
  /// Returns the number of rows in the longest block.
  std::int64_t longest_block() const;
  /// Returns how many consecutive blocks, starting with the one that begins at `row`, have the same
  /// length and end by row `last` in the same file.
  std::int64_t equal_blocks_from(std::int64_t row, std::int64_t last) const;
  /// Returns whether a row can be read without decoding any other.
  bool reads_single_rows() const;
  /// Returns the bytes that the stored samples take in the files; of more than 64 files, an
  /// estimate from the first 64.
  std::uint64_t stored_bytes() const;
  /// Returns the number of chunks that this process has decoded so far, over all files that are
  /// open.
  std::int64_t chunks_decoded() const;

  /// See StoredRows. The rows must lie in one file.
  void will_need(std::int64_t first, std::int64_t count) const;

  /// Reads rows [first, first + count) as set by deliver(), one after another: count *
  /// image_bytes() bytes. Thread-safe if each thread has its own buffers. Throws Failure, naming
  /// the file, the dataset and the chunk or row, if a chunk cannot be decoded, a float is not
  /// finite, a value is outside the limits, or a file differs from the first one.
  void read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
            RowBuffers& buffers) const;

  /// Reads a window of a row's space, with only the chunks that hold any of it. The geometry does
  /// not apply. Otherwise as read().
  void read_window(std::int64_t row, const SpaceWindow& window, std::span<std::byte> out,
                   RowBuffers& buffers) const;
  /// Returns whether read_window() need not read or decode whole rows.
  bool reads_windows() const;
  /// Returns whether rows are delivered without geometry, and none shares what is decoded at once
  /// (chunks, or the block of a contiguous dataset) with another row.
  bool rows_lie_alone() const;

  /// Throws Failure as read() does, for a row delivered without geometry before limits were known.
  void check_delivered(std::int64_t row, std::span<const std::byte> image) const;

 private:
  struct Opened {
    std::shared_ptr<const ArrayFile> arrays;
    std::int64_t first;  // row at which the file begins
  };
  class LazyFiles;

  std::shared_ptr<const ArrayFile> open(std::size_t number, bool may_close) const;
  void require_same_meaning(const ArrayFile& file) const;

  const ArrayFile& first() const { return *opened_.front().arrays; }
  Opened file_of(std::int64_t row) const;
  void read_file(const ArrayFile& file, std::int64_t first, std::int64_t count,
                 std::span<std::byte> out, RowBuffers& buffers) const;
  void read_stored(const ArrayFile& file, std::int64_t first, std::int64_t count,
                   const SpaceWindow& window, RowBuffers& buffers) const;
  void convert(const ArrayFile& file, std::int64_t row, std::int64_t place, std::int64_t count,
               const SpaceWindow& window, RowBuffers& buffers) const;
  void place_part(const ArrayFile::Part& part, std::int64_t row, const SampleShape& shape,
                  std::span<const std::byte> stored, RowBuffers& buffers) const;
  [[noreturn]] void refuse_not_finite(const ArrayFile::Part& part, std::int64_t row,
                                      std::span<const std::byte> stored, std::size_t value) const;
  void check_values(const ArrayFile& file, std::int64_t row, std::span<const float> image) const;
  void check_entries(const ArrayFile& file, std::int64_t row,
                     std::span<const std::byte> packed) const;
  void check_bytes(const ArrayFile& file, std::int64_t row, std::span<const std::byte> image) const;
  bool is_kept(std::size_t value) const;
  [[noreturn]] void refuse_value(const ArrayFile& file, std::int64_t row, float value,
                                 std::size_t value_index) const;

  std::vector<std::string> files_;
  ArrayChoice choice_;
  std::int64_t rows_ = 0;
  std::vector<Opened> opened_;
  std::shared_ptr<const FileTwins> twins_;
  std::shared_ptr<LazyFiles> lazy_;       // null: all files are in opened_
  std::vector<ValueAttributes> meaning_;  // of each dataset of a file
  SampleShape shape_;
  Geometry geometry_;
  PixelType type_ = PixelType::uint8;
  bool masks_missing_ = false;
  std::vector<std::optional<float>> missing_;  // of each channel; empty: NaN alone
  ValueLimits limits_;
  std::string limits_reason_;
};

}  // namespace vae_dist::arrays
