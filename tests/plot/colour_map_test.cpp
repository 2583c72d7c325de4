#include "plot/colour_map.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace vae_dist::plot {
namespace {

using Lab = std::array<double, 3>;

// Oklab of an sRGB colour, by Ottosson's matrices from linear sRGB (2020).
Lab oklab(Rgb colour) {
  const auto linear = [](std::uint8_t component) {
    const double c = component / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  const double r = linear(colour.red), g = linear(colour.green), b = linear(colour.blue);
  const double l = std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b),
               m = std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b),
               s = std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

double distance(const Lab& a, const Lab& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

constexpr int kSteps = 16;
// Eight bits a component cannot place a colour closer than this, where they are coarsest (dark).
constexpr double kRounding = 0.004;

TEST(ColourMap, TakesEvenStepsOfLightnessAndOfColourInOklab) {
  const auto first = oklab(colour_at(ColourMap::sequential, 0)),
             last = oklab(colour_at(ColourMap::sequential, 1)),
             second = oklab(colour_at(ColourMap::sequential, 1.0 / kSteps));
  EXPECT_NEAR(first[0], 0.25, kRounding);
  EXPECT_NEAR(last[0], 0.95, kRounding);
  Lab before = first;
  for (int i = 1; i <= kSteps; ++i) {
    const Lab now = oklab(colour_at(ColourMap::sequential, static_cast<double>(i) / kSteps));
    EXPECT_NEAR(now[0] - before[0], 0.70 / kSteps, kRounding) << i;
    EXPECT_NEAR(distance(now, before), distance(second, first), kRounding) << i;
    before = now;
  }
}

TEST(ColourMap, GrowsLighterAtEveryShade) {
  double before = -1;
  for (int i = 0; i <= 100; ++i) {
    const double lightness = oklab(colour_at(ColourMap::sequential, i / 100.0))[0];
    EXPECT_GT(lightness, before) << i;
    before = lightness;
  }
}

TEST(ColourMap, LeavesOutOfLinesWhatIsHardToSeeOnWhite) {
  EXPECT_EQ(colour_at(ColourMap::lines, 0), colour_at(ColourMap::sequential, 0));
  EXPECT_EQ(colour_at(ColourMap::lines, 0.5), colour_at(ColourMap::sequential, 0.4));
  EXPECT_LT(oklab(colour_at(ColourMap::lines, 1))[0], 0.82);
}

TEST(ColourMap, DivergesAlikeOnBothSidesFromTheLightestColour) {
  const Lab middle = oklab(colour_at(ColourMap::diverging, 0.5));
  EXPECT_NEAR(middle[0], 0.97, kRounding);
  EXPECT_NEAR(std::hypot(middle[1], middle[2]), 0, kRounding) << "it has no hue";
  const double step = (0.97 - 0.40) / kSteps;
  Lab blue = middle, red = middle;
  for (int i = 1; i <= kSteps; ++i) {
    const Lab low = oklab(colour_at(ColourMap::diverging, 0.5 - 0.5 * i / kSteps)),
              high = oklab(colour_at(ColourMap::diverging, 0.5 + 0.5 * i / kSteps));
    EXPECT_NEAR(low[0], high[0], kRounding) << i;
    EXPECT_NEAR(std::hypot(low[1], low[2]), std::hypot(high[1], high[2]), kRounding) << i;
    EXPECT_NEAR(blue[0] - low[0], step, kRounding) << i;
    EXPECT_NEAR(distance(low, blue), distance(high, red), kRounding) << i;
    blue = low;
    red = high;
  }
  EXPECT_LT(blue[2], -0.1) << "blue below zero";
  EXPECT_GT(red[1], 0.1) << "red above";
}

TEST(ColourMap, LeavesGreyGrey) {
  for (int level = 0; level < 256; ++level) {
    const auto byte = static_cast<std::uint8_t>(level);
    EXPECT_EQ(colour_at(ColourMap::grey, level / 255.0), (Rgb{byte, byte, byte}));
  }
}

TEST(ColourMap, ShowsTheEndBeyondItAndAColourOfItsOwnForWhatIsNotKnown) {
  for (const ColourMap map : {ColourMap::grey, ColourMap::sequential, ColourMap::diverging}) {
    EXPECT_EQ(colour_at(map, -0.5), colour_at(map, 0));
    EXPECT_EQ(colour_at(map, 1e9), colour_at(map, 1));
    EXPECT_EQ(colour_at(map, std::nan("")), kUnknown);
  }
}

TEST(ColourScale, IsSymmetricAboutZeroForSignedValuesOnly) {
  const ColourScale both = colour_scale({-1, 4}), above = colour_scale({2, 6}),
                    from_zero = colour_scale({0, 3}), below = colour_scale({-3, -1});
  EXPECT_EQ(both.map, ColourMap::diverging);
  EXPECT_EQ(both(0), colour_at(ColourMap::diverging, 0.5));
  EXPECT_EQ(both(4), colour_at(ColourMap::diverging, 1));
  EXPECT_EQ(both(-1), colour_at(ColourMap::diverging, 0.375));
  EXPECT_EQ(above.map, ColourMap::sequential);
  EXPECT_EQ(above(2), colour_at(ColourMap::sequential, 0));
  EXPECT_EQ(above(6), colour_at(ColourMap::sequential, 1));
  EXPECT_EQ(from_zero.map, ColourMap::sequential);
  EXPECT_EQ(below.map, ColourMap::sequential);
  EXPECT_EQ(below.range.low, -3);
}

TEST(ColourScale, HasARangeEvenIfAllValuesAreEqual) {
  for (const double value : {0.0, 5.0, -2e-9}) {
    const ColourScale scale = colour_scale({value, value});
    EXPECT_LT(scale.range.low, scale.range.high) << value;
    EXPECT_EQ(scale(value), colour_at(ColourMap::sequential, 0)) << value;
  }
}

}  // namespace
}  // namespace vae_dist::plot
