// Converts a picture to the channels and the size of a dataset.
#pragma once

#include "plot/image_grid.hpp"

namespace vae_dist::datasets {

/// A centred square that is cut out before resizing.
struct Crop {
  enum Kind { none, square, pixels };  ///< square: the largest square that fits
  Kind kind = none;
  int side = 0;  ///< used by Kind::pixels

  /// Parses "none", "centre" or a number of pixels. Throws BadInput for anything else.
  static Crop parse(const std::string& text);
};

struct FitOptions {
  int size = 0;  ///< side of the resulting square; 0: keep the size of the (cropped) picture.
                 ///< Without a crop the aspect ratio changes
  Crop crop;
  bool grey = false;  ///< true: 1 channel (luma of ITU-R BT.601, as in JPEG); false: 3
};

/// Crops, converts and resizes a picture. Throws BadInput, without naming the picture, if the
/// picture is smaller than the crop.
plot::Picture fit_picture(plot::Picture picture, const FitOptions& options);

/// Resizes by averaging over the area that each new pixel covers, exact up to the final rounding
/// (half up). May also enlarge.
plot::Picture resized(const plot::Picture& picture, int height, int width);

}  // namespace vae_dist::datasets
