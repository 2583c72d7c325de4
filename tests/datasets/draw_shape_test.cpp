#include "synthetic/draw_shape.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace vae_dist::synthetic {
namespace {

using testing::ElementsAre;

constexpr int kSize = 64;

// Geometry in pixels: the radius of the circle around a shape of scale 1, and the first and the
// last centre.
constexpr double kRadius = 0.30 * kSize, kFirstCentre = 0.34 * kSize, kLastCentre = 0.66 * kSize;

constexpr std::int64_t kSquare = 0, kEllipse = 1, kHeart = 2, kLargest = 5, kSmallest = 0,
                       kMiddle = 16, kLast = 31;

std::vector<std::uint8_t> drawn(const ShapeClasses& classes, int channels = 1) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(kSize * kSize * channels));
  draw_shape(classes, kSize, channels, pixels);
  return pixels;
}

double centre_of(std::int64_t position) {
  return kFirstCentre + (kLastCentre - kFirstCentre) * static_cast<double>(position) / 31;
}

struct Moments {
  double area, x, y;  // in pixels
};

Moments moments(const std::vector<std::uint8_t>& pixels) {
  Moments sum{};
  for (int row = 0; row < kSize; ++row)
    for (int column = 0; column < kSize; ++column) {
      const double covered = pixels[static_cast<std::size_t>(row * kSize + column)] / 255.0;
      sum.area += covered;
      sum.x += covered * (column + 0.5);
      sum.y += covered * (row + 0.5);
    }
  return {sum.area, sum.x / sum.area, sum.y / sum.area};
}

TEST(DrawShape, CoversTheAreaOfTheShape) {
  // A square of half diagonal r has the area 2 r^2, an ellipse of half axes r and 0.6 r has 0.6 pi
  // r^2, and the heart of sdHeart, whose tip is 0.657 from the centre, (1/2 + pi/8) r^2 / 0.657^2.
  const double r2 = kRadius * kRadius, pi = std::numbers::pi;
  for (std::int64_t turn : {0, 3, 7}) {
    EXPECT_NEAR(moments(drawn({kSquare, kLargest, turn, kMiddle, kMiddle, 0})).area, 2 * r2,
                0.01 * r2);
    EXPECT_NEAR(moments(drawn({kEllipse, kLargest, turn, kMiddle, kMiddle, 0})).area, 0.6 * pi * r2,
                0.01 * r2);
    EXPECT_NEAR(moments(drawn({kHeart, kLargest, turn, kMiddle, kMiddle, 0})).area,
                (0.5 + pi / 8) / (0.657 * 0.657) * r2, 0.01 * r2);
  }
}

TEST(DrawShape, AreaGrowsWithTheSquareOfTheScale) {
  for (std::int64_t shape : {kSquare, kEllipse, kHeart}) {
    const double largest = moments(drawn({shape, kLargest, 5, kMiddle, kMiddle, 0})).area;
    for (std::int64_t scale = 0; scale < 6; ++scale) {
      const double value = factor_value(kScale, scale),
                   area = moments(drawn({shape, scale, 5, kMiddle, kMiddle, 0})).area;
      EXPECT_NEAR(area / largest, value * value, 0.03 * value * value) << shape << " " << scale;
    }
  }
}

TEST(DrawShape, TheCentreOfTheAreaIsWhereXAndYSay) {
  for (std::int64_t shape : {kSquare, kEllipse, kHeart})
    for (std::int64_t x : {0, 10, 31})
      for (std::int64_t y : {0, 20, 31}) {
        const Moments found = moments(drawn({shape, kLargest, 4, x, y, 0}));
        EXPECT_NEAR(found.x, centre_of(x), 0.1) << shape << " " << x << " " << y;
        EXPECT_NEAR(found.y, centre_of(y), 0.1) << shape << " " << x << " " << y;
      }
}

TEST(DrawShape, NoPartOfAShapeIsCutOff) {
  for (std::int64_t shape : {kSquare, kEllipse, kHeart})
    for (std::int64_t turn = 0; turn < 40; ++turn) {
      const double whole = moments(drawn({shape, kLargest, turn, kMiddle, kMiddle, 0})).area;
      for (std::int64_t x : {std::int64_t{0}, kLast})
        for (std::int64_t y : {std::int64_t{0}, kLast})
          EXPECT_NEAR(moments(drawn({shape, kLargest, turn, x, y, 0})).area, whole, 0.01 * whole)
              << shape << " " << turn;
    }
}

TEST(DrawShape, EdgesAreAntiAliased) {
  for (std::int64_t shape : {kSquare, kEllipse, kHeart}) {
    const std::vector<std::uint8_t> pixels = drawn({shape, kLargest, 3, kMiddle, kMiddle, 0});
    const auto edge = std::count_if(pixels.begin(), pixels.end(),
                                    [](int value) { return value > 0 && value < 255; });
    EXPECT_GT(edge, 60) << shape;   // the outline is about 100 pixels long
    EXPECT_LT(edge, 200) << shape;  // and one to two pixels wide
    std::vector<std::uint8_t> levels = pixels;
    std::sort(levels.begin(), levels.end());
    levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
    EXPECT_GT(levels.size(), 30u) << shape;
  }
}

TEST(DrawShape, AQuarterTurnLeavesASquareAndHalfATurnAnEllipse) {
  EXPECT_EQ(drawn({kSquare, 3, 2, 9, 9, 0}), drawn({kSquare, 3, 12, 9, 9, 0}));
  EXPECT_EQ(drawn({kEllipse, 3, 2, 9, 9, 0}), drawn({kEllipse, 3, 22, 9, 9, 0}));
  EXPECT_NE(drawn({kEllipse, 3, 2, 9, 9, 0}), drawn({kEllipse, 3, 12, 9, 9, 0}));
  EXPECT_NE(drawn({kHeart, 3, 2, 9, 9, 0}), drawn({kHeart, 3, 22, 9, 9, 0}));
}

TEST(DrawShape, AnUprightHeartStandsOnItsTipAndTurnsClockwise) {
  // At 0.9 of the radius, the tip is straight below the centre, and the gap between the lobes is
  // straight above it.
  const auto covered = [](const std::vector<std::uint8_t>& pixels, double x, double y) {
    return pixels[static_cast<std::size_t>(y) * kSize + static_cast<std::size_t>(x)];
  };
  const double centre = centre_of(kMiddle), reach = 0.9 * kRadius;
  const auto upright = drawn({kHeart, kLargest, 0, kMiddle, kMiddle, 0}),
             quarter = drawn({kHeart, kLargest, 10, kMiddle, kMiddle, 0});
  EXPECT_EQ(covered(upright, centre, centre + reach), 255);  // the tip is below
  EXPECT_EQ(covered(upright, centre, centre - reach), 0);
  EXPECT_EQ(covered(quarter, centre - reach, centre),
            255);  // a quarter turn clockwise moves the tip from below to the left
  EXPECT_EQ(covered(quarter, centre + reach, centre), 0);
}

TEST(DrawShape, TheGroundHasTheComplementaryColour) {
  const std::vector<std::uint8_t> red = drawn({kSquare, kLargest, 0, kMiddle, kMiddle, 0}, 3);
  const auto pixel = [](const std::vector<std::uint8_t>& pixels, std::size_t row,
                        std::size_t column) {
    const std::uint8_t* first = &pixels[3 * (row * kSize + column)];
    return std::vector<std::uint8_t>(first, first + 3);
  };
  EXPECT_THAT(pixel(red, 32, 32), ElementsAre(255, 128, 128));
  EXPECT_THAT(pixel(red, 0, 0), ElementsAre(51, 128, 128));
  const std::vector<std::uint8_t> cyan = drawn({kSquare, kLargest, 0, kMiddle, kMiddle, 4}, 3);
  EXPECT_THAT(pixel(cyan, 32, 32), ElementsAre(128, 255, 255));
  EXPECT_THAT(pixel(cyan, 0, 0), ElementsAre(128, 51, 51));
}

TEST(DrawShape, FactorsHaveTheValuesOfDSprites) {
  EXPECT_EQ(factor_value(kShape, 0), 1.0);
  EXPECT_EQ(factor_value(kScale, kSmallest), 0.5);
  EXPECT_NEAR(factor_value(kScale, 1), 0.6, 1e-12);
  EXPECT_EQ(factor_value(kScale, kLargest), 1.0);
  EXPECT_NEAR(factor_value(kOrientation, 10), std::numbers::pi / 2, 1e-12);
  EXPECT_LT(factor_value(kOrientation, 39), 2 * std::numbers::pi);
  EXPECT_EQ(factor_value(kX, 0), 0.0);
  EXPECT_EQ(factor_value(kY, kLast), 1.0);
  EXPECT_EQ(factor_value(kColour, 2), 0.25);
}

}  // namespace
}  // namespace vae_dist::synthetic
