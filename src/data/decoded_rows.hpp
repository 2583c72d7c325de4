// The images of one or several files as one sequence of rows, in the form that the rest of the
// program sees: decoded, cropped and resized.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image_geometry.hpp"
#include "data/sample_layout.hpp"
#include "data/value_scale.hpp"
#include "hdf5/file.hpp"
#include "hdf5/stored_rows.hpp"

namespace vae_dist::data {

struct RowRange {
  std::int64_t first = 0, last = 0;  ///< last is excluded

  std::int64_t size() const { return last - first; }
  bool operator==(const RowRange&) const = default;
};

/// Buffers that one thread needs for reading, reused between reads.
struct RowBuffers {
  hdf5::DecodeBuffers decode;
  std::vector<std::byte> stored;
  std::vector<float> values, resized;
  std::optional<ImageResizer> resizer;
};

class DecodedRows {
 public:
  /// Opens the files. If `dataset` is empty, takes the only image-shaped dataset of each file.
  /// Throws BadInput, naming the file and the dataset, if a file is missing or truncated, has no
  /// candidate or several, or holds no images, values that are not plain numbers, or a shape that
  /// images cannot have. Also throws BadInput if the images of the files differ in shape, layout or
  /// type.
  DecodedRows(const std::vector<std::string>& files, const std::optional<std::string>& dataset,
              const std::string& layout);

  /// Sets which stored values read() accepts from now on; at first it accepts all. `reason` ends
  /// the message about any other value: it says where the limits come from.
  void limit(const ValueLimits& limits, std::string reason);
  const ValueLimits& limits() const { return limits_; }

  /// Sets what read() returns from now on. bytes: as uint8, rounded if resized (only for uint8
  /// images). Throws BadInput if the crop is too large.
  void deliver(const Geometry& geometry, bool bytes);

  std::int64_t rows() const { return parts_.back().first + parts_.back().stored->rows(); }
  const SampleShape& shape() const { return shape_; }  ///< as delivered
  SampleLayout layout() const { return layout_; }
  PixelType type() const { return type_; }  ///< as delivered
  std::size_t image_bytes() const {
    return static_cast<std::size_t>(shape_.values()) * bytes_of(type_);
  }
  const hdf5::StoredNumber& number() const { return parts_.front().stored->number(); }
  const std::vector<std::string>& files() const { return files_; }
  std::string where() const;  ///< "a.h5:/imgs", "a.h5:/imgs and 2 more files"

  /// The dataset of file i, and the file itself (opened anew, as it may have been closed).
  const hdf5::StoredRows& stored(std::size_t i) const { return *parts_[i].stored; }
  hdf5::Hdf5File file(std::size_t i) const { return hdf5::Hdf5File::open(files_[i]); }
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
  /// Returns the bytes that the stored images take in the files; of more than 64 files, an estimate
  /// from the first 64.
  std::uint64_t stored_bytes() const;
  /// Returns the number of chunks that this process has decoded so far, over all files.
  std::int64_t chunks_decoded() const;

  /// See StoredRows. The rows must lie in one file.
  void will_need(std::int64_t first, std::int64_t count) const;

  /// Reads rows [first, first + count) as set by deliver(), one after another: count *
  /// image_bytes() bytes. Thread-safe if each thread has its own buffers. Throws Failure, naming
  /// the file, the dataset and the chunk or row, if a chunk cannot be decoded, a float is not
  /// finite, or a value is outside the limits.
  void read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
            RowBuffers& buffers) const;

  /// Throws Failure as read() does, for a row delivered without geometry before limits were known.
  void check_delivered(std::int64_t row, std::span<const std::byte> image) const;

 private:
  struct Part {
    std::unique_ptr<hdf5::StoredRows> stored;
    std::int64_t first;  // row at which the part begins
  };

  const Part& part_of(std::int64_t row) const;
  void read_part(const Part& part, std::int64_t first, std::int64_t count, std::span<std::byte> out,
                 RowBuffers& buffers) const;
  void check_values(const Part& part, std::int64_t row, std::span<const float> image) const;
  void check_bytes(const Part& part, std::int64_t row, std::span<const std::byte> image) const;
  [[noreturn]] void refuse_value(const Part& part, std::int64_t row, float value,
                                 std::size_t value_index) const;

  std::vector<std::string> files_;
  std::vector<Part> parts_;
  SampleShape stored_shape_, shape_;
  SampleLayout layout_ = SampleLayout::nhw;
  Geometry geometry_;
  PixelType type_ = PixelType::uint8;
  ValueLimits limits_;
  std::string limits_reason_;
};

}  // namespace vae_dist::data
