// Pictures from JPEG (libjpeg-turbo) and PNG (libpng) as 8-bit grey or RGB, upright.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "plot/image_grid.hpp"

namespace vae_dist::datasets {

/// A picture with more pixels is refused: a few bytes of a file can promise any number.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 27;

/// Decodes by content, whatever the name: 1 channel for grey pictures, else 3. Palettes are looked
/// up, 16 bits rounded to 8, transparency is laid over `background` (0 black, 255 white), CMYK
/// becomes RGB without a colour profile, and EXIF's orientation is applied. Throws BadInput with
/// the reason alone (the caller knows the name): neither JPEG nor PNG, damaged, truncated, more
/// than `most_pixels`.
plot::Picture decode_picture(std::span<const std::uint8_t> bytes, std::uint8_t background,
                             std::int64_t most_pixels = kMostPixels);

/// The same from a file; also refused when it cannot be read.
plot::Picture read_picture(const std::string& path, std::uint8_t background);

/// What decode_picture calls; EXIF's orientation is in `orientation`, not applied.
plot::Picture decode_jpeg(std::span<const std::uint8_t> bytes, std::int64_t most_pixels,
                          int& orientation);
plot::Picture decode_png(std::span<const std::uint8_t> bytes, std::uint8_t background,
                         std::int64_t most_pixels, int& orientation);

}  // namespace vae_dist::datasets
