// What an image is: its size, the order of its values, and their type on the way to the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::data {

struct SampleShape {
  std::int64_t channels = 1, height = 0, width = 0;

  std::int64_t values() const { return channels * height * width; }  ///< D
  bool operator==(const SampleShape&) const = default;
};

/// How the values of an image follow each other in the file and in memory.
enum class SampleLayout { nhw, nhwc, nchw };

const char* layout_name(SampleLayout layout);

/// uint8: as stored. float32: everything that is stored as another number, and what preparing made
/// fractions of.
enum class PixelType { uint8, float32 };

inline std::size_t bytes_of(PixelType type) { return type == PixelType::uint8 ? 1 : 4; }

/// Mirrors an image left to right in place.
void flip_horizontally(std::span<std::uint8_t> image, const SampleShape& shape, SampleLayout layout,
                       PixelType type = PixelType::uint8);

/// What a file says about the order of a dataset's axes.
struct AxesHints {
  bool one_image = false;  ///< HDF5's attribute CLASS = IMAGE: the whole dataset is one picture
  bool matlab = false;     ///< written by MATLAB, whose axes are reversed in HDF5
};

/// Finds the layout of a dataset [N, ...] of this shape. wanted: auto | NHW | NHWC | NCHW. `place`
/// names it in messages. Throws BadInput for a layout that does not fit, and with auto for a shape
/// that could mean something else, naming what.
SampleLayout find_layout(const std::vector<std::int64_t>& shape, const std::string& wanted,
                         const AxesHints& hints, const std::string& place);

SampleShape image_shape(const std::vector<std::int64_t>& shape, SampleLayout layout);

/// Labels are [N], factors [N, k]: neither is mistaken for images.
bool is_image_shaped(const std::vector<std::int64_t>& shape);

}  // namespace vae_dist::data
