// A dataset of images in an HDF5 file: found, understood (layout, scale, rows) and read as stored.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/hdf5_file.hpp"

namespace vae_dist {

struct ImageShape {
  std::int64_t channels = 1, height = 0, width = 0;

  std::int64_t values() const { return channels * height * width; }  ///< D
  bool operator==(const ImageShape&) const = default;
};

/// How the values of an image follow each other in the file and in memory.
enum class ImageLayout { nhw, nhwc, nchw };

const char* layout_name(ImageLayout layout);

struct ImageSource {
  std::string file;
  std::optional<std::string> dataset;  ///< empty: the only image-shaped dataset of the file
  std::string layout = "auto";         ///< auto | NHW | NHWC | NCHW
  std::optional<double> scale;         ///< empty: found by looking at the values
  std::vector<std::int64_t> rows;      ///< empty: all, else [first, past the last]
};

class ImageDataset {
 public:
  /// Opens and checks. Throws BadInput naming file and dataset: missing, truncated, no or several image-shaped datasets, not uint8, a
  /// rank that is no image's, rows out of range, a layout that cannot be told. When the rows take at most `memory_budget` bytes they
  /// are decoded into memory now; else each row is read when asked for.
  static ImageDataset open(const ImageSource& source, std::uint64_t memory_budget);

  std::int64_t size() const { return rows_; }
  const ImageShape& shape() const { return shape_; }
  ImageLayout layout() const { return layout_; }
  double scale() const { return scale_; }      ///< stored value times this lies in [0, 1]
  bool in_memory() const { return !memory_.empty(); }
  const Hdf5Dataset& stored() const { return dataset_; }

  /// Sample `index` of [0, size()) as stored: shape().values() bytes in layout() order. Safe from one thread at a time.
  void read(std::int64_t index, std::span<std::uint8_t> out) const;

  /// The same for every file with the same images: of shape, count, and the values of up to 64 rows spread over the dataset.
  std::string fingerprint() const;

  /// "shapes.h5:/imgs: 20000 images 3x64x64 (NHWC, uint8 0-255)".
  std::string description() const;

 private:
  ImageDataset(Hdf5File file, Hdf5Dataset dataset) : file_(std::move(file)), dataset_(std::move(dataset)) {}

  Hdf5File file_;
  Hdf5Dataset dataset_;
  ImageShape shape_;
  ImageLayout layout_ = ImageLayout::nhw;
  double scale_ = 1.0;
  std::int64_t first_row_ = 0, rows_ = 0;
  std::vector<std::uint8_t> memory_;
};

}  // namespace vae_dist
