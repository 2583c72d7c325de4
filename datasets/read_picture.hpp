// Decodes JPEG (libjpeg-turbo) and PNG (libpng) to upright 8-bit grey or RGB pictures.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "plot/image_grid.hpp"

namespace vae_dist::datasets {

/// Pictures with more pixels are rejected, because a tiny file can claim any size.
inline constexpr std::int64_t kMaxPixels = std::int64_t{1} << 27;

/// Decodes by content, whatever the file name, to 1 channel for grey pictures and 3 otherwise.
/// Resolves palettes, rounds 16 bits to 8, blends transparency with `background` (0 black, 255
/// white), converts CMYK to RGB without a colour profile, and applies the EXIF orientation. Throws
/// BadInput, without the file name that only the caller knows, if the data is neither JPEG nor PNG,
/// is damaged or truncated, or has more than `most_pixels` pixels.
plot::Picture decode_picture(std::span<const std::uint8_t> bytes, std::uint8_t background,
                             std::int64_t most_pixels = kMaxPixels);

/// Decodes a file. Also throws BadInput if the file cannot be read.
plot::Picture read_picture(const std::string& path, std::uint8_t background);

/// The decoders behind decode_picture. They return the EXIF orientation in `orientation` and do not
/// apply it.
plot::Picture decode_jpeg(std::span<const std::uint8_t> bytes, std::int64_t most_pixels,
                          int& orientation);
plot::Picture decode_png(std::span<const std::uint8_t> bytes, std::uint8_t background,
                         std::int64_t most_pixels, int& orientation);

}  // namespace vae_dist::datasets
