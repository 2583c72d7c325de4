// Describes an image: its size, the order of its values, and their type on the way to the model.
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

/// The order of the values of an image in the file and in memory.
enum class SampleLayout { nhw, nhwc, nchw };

const char* layout_name(SampleLayout layout);

/// uint8: as stored. float32: values stored in any other format, and values that preparation has
/// turned into fractions.
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

/// Finds the layout of a dataset [N, ...] of this shape. wanted: auto | NHW | NHWC | NCHW. `where`
/// names the dataset in messages. Throws BadInput if the wanted layout does not fit. With auto,
/// also throws BadInput if the shape could mean something else, and says what.
SampleLayout find_layout(const std::vector<std::int64_t>& shape, const std::string& wanted,
                         const AxesHints& hints, const std::string& where);

SampleShape image_shape(const std::vector<std::int64_t>& shape, SampleLayout layout);

/// Returns whether the shape may be that of images; labels [N] and factors [N, k] are not.
bool is_image_shaped(const std::vector<std::int64_t>& shape);

}  // namespace vae_dist::data
