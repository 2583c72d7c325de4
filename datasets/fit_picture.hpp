// A picture brought to the channels and size of a dataset.
#pragma once

#include "plot/image_grid.hpp"

namespace vae_dist::datasets {

/// Cut out of the middle before resizing.
struct Crop {
  enum Kind { none, square, pixels };  ///< square: the largest that fits
  Kind kind = none;
  int side = 0;  ///< for pixels

  /// From "none", "centre" or a number of pixels. Throws BadInput for anything else.
  static Crop parse(const std::string& text);
};

struct FitOptions {
  int size = 0;  ///< side of the square that comes out; 0: as large as the (cropped) picture.
                 ///< Without a crop proportions change
  Crop crop;
  bool grey = false;  ///< 1 channel (luma of ITU-R BT.601, as in JPEG), else 3
};

/// Throws BadInput with the reason alone when the picture is smaller than the crop.
plot::Picture fit_picture(plot::Picture picture, const FitOptions& options);

/// The mean over the area that each new pixel covers, exact up to the final rounding (half up). A
/// larger size is allowed.
plot::Picture resized(const plot::Picture& picture, int height, int width);

}  // namespace vae_dist::datasets
