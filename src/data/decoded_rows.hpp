// The images of one or several files as one sequence of rows, as they reach the model's side:
// decoded, cropped, resized.
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

/// What one thread needs to read; kept from one read to the next.
struct RowBuffers {
  hdf5::DecodeBuffers decode;
  std::vector<std::byte> stored;
  std::vector<float> values, resized;
  std::optional<ImageResizer> resizer;
};

class DecodedRows {
 public:
  /// dataset: empty: the only image-shaped one of each file. Throws BadInput naming file and
  /// dataset: missing, truncated, no or several candidates, no plain numbers, a shape that is no
  /// image's, no images, files whose images differ in shape, layout or type.
  DecodedRows(const std::vector<std::string>& files, const std::optional<std::string>& dataset,
              const std::string& layout);

  /// Which stored values read() lets pass from now on; all at first. `reason` ends the message
  /// about another: where the limits come from.
  void limit(const ValueLimits& limits, std::string reason);
  const ValueLimits& limits() const { return limits_; }

  /// What read() gives from now on. bytes: as uint8, rounded where resized (only for uint8 images).
  /// Throws BadInput for a crop that is too large.
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
  std::string place() const;  ///< "a.h5:/imgs", "a.h5:/imgs and 2 more files"

  /// The dataset of file i. The file itself may have been closed: it is opened anew.
  const hdf5::StoredRows& stored(std::size_t i) const { return *parts_[i].stored; }
  hdf5::Hdf5File file(std::size_t i) const { return hdf5::Hdf5File::open(files_[i]); }
  /// All files that values come from, in about the order of the rows.
  std::vector<std::string> source_files() const;

  /// The rows that are decoded together with this one: those of a chunk, within its file.
  RowRange band_of(std::int64_t row) const;
  /// The most rows that a band has.
  std::int64_t longest_band() const;
  /// How many bands as long as that of this row, which is its first, follow each other up to row
  /// `last`, in the same file.
  std::int64_t equal_bands_from(std::int64_t row, std::int64_t last) const;
  /// Whether reading one row costs no more than that row.
  bool reads_single_rows() const;
  /// The chunks of this process so far, over all files.
  std::int64_t chunks_decoded() const;

  /// See StoredRows. The rows are of one file.
  void will_need(std::int64_t first, std::int64_t count) const;

  /// Rows [first, first + count), delivered one after the other: count * image_bytes(). Safe from
  /// several threads, each with its buffers. Throws Failure naming file, dataset and chunk or row:
  /// what cannot be decoded, floats that are no finite numbers, and values out of the limits.
  void read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
            RowBuffers& buffers) const;

  /// Throws Failure as read() does for a row that was delivered before the limits were known and
  /// without geometry.
  void check_delivered(std::int64_t row, std::span<const std::byte> image) const;

 private:
  struct Part {
    std::unique_ptr<hdf5::StoredRows> stored;
    std::int64_t first;  // row
  };

  const Part& part_of(std::int64_t row) const;
  void read_part(const Part& part, std::int64_t first, std::int64_t count, std::span<std::byte> out,
                 RowBuffers& buffers) const;
  void check_values(const Part& part, std::int64_t row, std::span<const float> image) const;
  void check_bytes(const Part& part, std::int64_t row, std::span<const std::byte> image) const;
  [[noreturn]] void refuse_value(const Part& part, std::int64_t row, float value,
                                 std::size_t place) const;

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
