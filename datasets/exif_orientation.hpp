// How a camera was held, as it notes in EXIF (CIPA DC-008, 4.6.4: tag 0x0112), and pictures turned
// upright by it.
#pragma once

#include <cstdint>
#include <span>

#include "plot/image_grid.hpp"

namespace vae_dist::datasets {

/// The orientation, 1 (upright) to 8, in an EXIF block that begins with its TIFF header ("II*" or
/// "MM*"). 1 where there is none, or the block cannot be read: a damaged note does not make a
/// damaged picture.
int exif_orientation(std::span<const std::uint8_t> tiff);

/// The picture as it is meant to be seen.
plot::Picture upright(plot::Picture picture, int orientation);

}  // namespace vae_dist::datasets
