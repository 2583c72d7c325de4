// Pictures of samples of any shape. Images are shown as they are, with more than four channels side
// by side; a volume is its three middle slices, across D, H and W; a series or a vector is a curve.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "plot/image_grid.hpp"

namespace vae_dist::report {

/// The values that are shown black and white.
struct Shades {
  double low = 0, high = 1;

  /// Returns these, or, if they are not in ascending order (data::InputFormat::shown_low() of
  /// normalised values), the range of the values in `samples`.
  Shades for_values(const at::Tensor& samples) const;
};

/// Returns a picture of each sample: [B, C, space...] or [B, V].
std::vector<plot::Picture> pictures_of(const at::Tensor& samples, Shades shades);

}  // namespace vae_dist::report
