// Generates the built-in dataset: anti-aliased shapes with dSprites' factors of variation (Matthey
// et al. 2017, https://github.com/google-deepmind/dsprites-dataset), which are shape, scale,
// orientation, x and y, plus colour if there are 3 channels.
#pragma once

#include <cstdint>
#include <string>

namespace vae_dist::synthetic {

struct ShapesOptions {
  std::int64_t count = 20000;
  int size = 64;  ///< pixels, square: 8 to 1024
  int channels =
      3;  ///< 1: white on black | 3: a colour on a darker background of the complementary hue
  std::int64_t seed = 0;
  int threads = 0;  ///< 0: one per core. The output does not depend on it
};

/// Writes `imgs` (uint8 [N, H, W] or [N, H, W, 3]), `latents/values` (float64 [N, factors]) and
/// `latents/classes` (int64 [N, factors]) with the factor names as attribute `names`, chunked and
/// compressed, in parallel, with a progress bar. Classes and values are those of draw_shape.hpp.
/// Each class of sample i is drawn uniformly, as a function of (seed, i) alone. `path` is created
/// only when it is complete and replaces an HDF5 file of that name. Throws BadInput if an option is
/// out of range or `path` cannot be written.
void make_shapes(const std::string& path, const ShapesOptions& options);

}  // namespace vae_dist::synthetic
