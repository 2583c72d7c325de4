// Reads the camera orientation from EXIF (CIPA DC-008, 4.6.4: tag 0x0112) and rotates pictures
// upright accordingly.
#pragma once

#include <cstdint>
#include <span>

#include "plot/image_grid.hpp"

namespace vae_dist::datasets {

/// Returns the orientation, 1 (upright) to 8, from an EXIF block that begins with its TIFF header
/// ("II*" or "MM*"). Returns 1 if the tag is missing or the block cannot be read, because damaged
/// metadata does not make the pixels unusable.
int exif_orientation(std::span<const std::uint8_t> tiff);

/// Returns the picture rotated and mirrored to the upright orientation.
plot::Picture upright(plot::Picture picture, int orientation);

}  // namespace vae_dist::datasets
