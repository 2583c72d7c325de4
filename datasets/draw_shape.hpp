// One picture of the built-in dataset: a pure function from dSprites' factors to pixels.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vae_dist::datasets {

/// The factors, in the order of the columns of `latents/classes`, and how many classes each has.
enum ShapeFactor : std::size_t { kShape, kScale, kOrientation, kX, kY, kColour, kShapeFactors };
inline constexpr std::array<const char*, kShapeFactors> kFactorNames = {
    "shape", "scale", "orientation", "x", "y", "colour"};
inline constexpr std::array<std::int64_t, kShapeFactors> kFactorClasses = {3, 6, 40, 32, 32, 8};

/// The class of each factor, from 0.
using ShapeClasses = std::array<std::int64_t, kShapeFactors>;

/// The value of a class, as in dSprites: shape 1 square, 2 ellipse, 3 heart; scale 0.5 to 1;
/// orientation in [0, 2 pi), clockwise from the upright; x (to the right) and y (down) in [0, 1];
/// colour: the hue in [0, 1), 0 red, 1/3 green.
double factor_value(ShapeFactor factor, std::int64_t index);

/// Draws into `pixels` ([size, size, channels], channels 1 or 3): white on black, or a colour on a
/// darker ground of the complementary hue. Edges are anti-aliased by the signed distance from the
/// pixel's centre. Whatever the factors, the shape lies inside the picture.
void draw_shape(const ShapeClasses& classes, int size, int channels,
                std::span<std::uint8_t> pixels);

}  // namespace vae_dist::datasets
