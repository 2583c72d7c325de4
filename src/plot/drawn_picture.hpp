// Converts pictures with any number of channels into something that a screen can show.
#pragma once

#include "plot/image_grid.hpp"

namespace vae_dist::plot {

/// Returns `picture` with 1 or 3 channels. Grey and RGB stay as they are; four channels are RGBA
/// over a chequerboard; any other number becomes one grey picture per channel, arranged roughly as
/// a square with grey lines of one pixel between them. `pixels` must match the size.
Picture drawn_picture(const Picture& picture);

/// Returns a smaller picture: each pixel is the mean of `factor` x `factor` pixels (at the right
/// and lower edge, of the remaining ones).
Picture shrunk_picture(const Picture& picture, int factor);

}  // namespace vae_dist::plot
