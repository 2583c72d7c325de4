// What the values of a dataset mean: the factor that brings them to [0, 1], found by looking at some of them.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "data/image_layout.hpp"
#include "hdf5/stored_number.hpp"

namespace vae_dist {

struct ValueRange {
  float least = std::numeric_limits<float>::infinity(), largest = -std::numeric_limits<float>::infinity();

  void include(std::span<const std::byte> image, PixelType type);
};

/// 1 where no value is above 1 (binary images, as dSprites'; floats), 1/255 up to 255, 1/65535 for other 16-bit integers. Throws BadInput for values below 0,
/// and for what could mean anything; `place` names the dataset.
double found_scale(const ValueRange& values, const StoredNumber& number, const std::string& place);

/// "0-255", "0/1", "times 0.1".
std::string scale_text(double scale, const StoredNumber& number);

}  // namespace vae_dist
