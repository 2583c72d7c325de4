#include "plot/colour_map.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vae_dist::plot {
namespace {

struct Oklab {
  double lightness, a, b;
};

// The ends of the maps. All colours between them can be shown in sRGB: no component has to be cut
// off, which would make the steps uneven.
constexpr double kDarkest = 0.25, kLightest = 0.95, kFirstHue = 310, kLastHue = 100,
                 kHelixChroma = 0.098, kPartForLines = 0.8;
constexpr double kMiddleLightness = 0.97, kEndLightness = 0.40, kEndChroma = 0.16, kBlueHue = 260,
                 kRedHue = 28;

double between(double from, double to, double t) { return from + (to - from) * t; }

Oklab at_hue(double lightness, double chroma, double degrees) {
  const double hue = degrees * std::numbers::pi / 180;
  return {lightness, chroma * std::cos(hue), chroma * std::sin(hue)};
}

// A linear component of sRGB as 8 bits (IEC 61966-2-1).
std::uint8_t encoded(double linear) {
  const double component =
      linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp(component, 0.0, 1.0)));
}

// Ottosson's oklab_to_linear_srgb.
Rgb shown(const Oklab& colour) {
  const auto cubed = [](double x) { return x * x * x; };
  const double l = cubed(colour.lightness + 0.3963377774 * colour.a + 0.2158037573 * colour.b),
               m = cubed(colour.lightness - 0.1055613458 * colour.a - 0.0638541728 * colour.b),
               s = cubed(colour.lightness - 0.0894841775 * colour.a - 1.2914855480 * colour.b);
  return {encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          encoded(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

}  // namespace

Rgb colour_at(ColourMap map, double t) {
  if (std::isnan(t)) return kUnknown;
  t = std::clamp(t, 0.0, 1.0);
  if (map == ColourMap::grey) {
    const auto level = static_cast<std::uint8_t>(std::lround(255 * t));
    return {level, level, level};
  }
  if (map == ColourMap::lines) t *= kPartForLines;
  if (map != ColourMap::diverging)
    return shown(
        at_hue(between(kDarkest, kLightest, t), kHelixChroma, between(kFirstHue, kLastHue, t)));
  const double distance = std::fabs(2 * t - 1);
  return shown(at_hue(between(kMiddleLightness, kEndLightness, distance), kEndChroma * distance,
                      t < 0.5 ? kBlueHue : kRedHue));
}

ColourScale colour_scale(Range range) {
  if (range.low < 0 && range.high > 0) {
    const double reach = std::max(-range.low, range.high);
    return {ColourMap::diverging, {-reach, reach}};
  }
  if (!(range.high > range.low))
    range.high = range.low + (range.low == 0 ? 1 : std::fabs(range.low));
  return {ColourMap::sequential, range};
}

}  // namespace vae_dist::plot
