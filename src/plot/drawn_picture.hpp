// Pictures as a screen can show them, whatever their channels are.
#pragma once

#include "plot/image_grid.hpp"

namespace vae_dist::plot {

/// `picture` with 1 or 3 channels: grey and RGB as they are; four channels as RGBA over a
/// chequerboard; any other number as one grey picture a channel, beside each other in rows that
/// make about a square, with a line of one grey pixel between them. `pixels` must match.
Picture drawn_picture(const Picture& picture);

/// A smaller one: each pixel is the mean of `factor` x `factor` (at the right and lower edge, of
/// what there is).
Picture shrunk_picture(const Picture& picture, int factor);

}  // namespace vae_dist::plot
