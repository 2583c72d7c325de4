// Draws one picture of the built-in dataset: a pure function from dSprites' factors to pixels.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vae_dist::synthetic {

/// The factors, in the column order of `latents/classes`, and the number of classes of each.
enum ShapeFactor : std::size_t { kShape, kScale, kOrientation, kX, kY, kColour, kShapeFactors };
inline constexpr std::array<const char*, kShapeFactors> kFactorNames = {
    "shape", "scale", "orientation", "x", "y", "colour"};
inline constexpr std::array<std::int64_t, kShapeFactors> kFactorClasses = {3, 6, 40, 32, 32, 8};

/// The class of each factor, from 0.
using ShapeClasses = std::array<std::int64_t, kShapeFactors>;

/// Returns the value of a class, as in dSprites: shape 1 square, 2 ellipse, 3 heart; scale 0.5 to
/// 1; orientation in [0, 2 pi), clockwise from upright; x (to the right) and y (down) in [0, 1];
/// colour: the hue in [0, 1), 0 red, 1/3 green.
double factor_value(ShapeFactor factor, std::int64_t index);

/// Draws into `pixels` ([size, size, channels], channels 1 or 3): white on black, or a colour on a
/// darker background of the complementary hue. Edges are anti-aliased by the signed distance at the
/// pixel centre. The shape lies inside the picture for all factors.
void draw_shape(const ShapeClasses& classes, int size, int channels,
                std::span<std::uint8_t> pixels);

}  // namespace vae_dist::synthetic
