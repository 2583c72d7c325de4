// Colour maps that are perceptually even: equal steps of the value are equal steps of colour as the
// eye sees them. They are computed from curves of constant speed in Oklab (Ottosson 2020, "A
// perceptual color space for image processing"), not read from tables.
#pragma once

#include <cstdint>

#include "plot/axis.hpp"

namespace vae_dist::plot {

/// Red, green and blue of sRGB (IEC 61966-2-1).
struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;

  bool operator==(const Rgb&) const = default;
};

enum class ColourMap {
  grey,        ///< from black to white
  sequential,  ///< a helix in Oklab from dark violet over blue and green to light yellow: lightness
               ///< and hue rise linearly, chroma is constant
  lines,       ///< the same without its lightest part, which lines on white do not show
  diverging    ///< two straight lines in Oklab from nearly white in the middle, to blue at 0 and to
               ///< red at 1, on which equal distances from the middle are equally light
};

/// The colour of a value that is not known (NaN).
inline constexpr Rgb kUnknown{160, 160, 160};

/// Returns the colour at `t` in [0, 1]; values beyond have the colour of the end, NaN has kUnknown.
Rgb colour_at(ColourMap map, double t);

/// Which colour stands for which value.
struct ColourScale {
  ColourMap map = ColourMap::sequential;
  Range range;

  Rgb operator()(double value) const {
    return colour_at(map, (value - range.low) / (range.high - range.low));
  }
};

/// Returns the scale for values in `range`: if they lie on both sides of zero the diverging map,
/// symmetric about zero, otherwise the sequential one over the range.
ColourScale colour_scale(Range range);

}  // namespace vae_dist::plot
