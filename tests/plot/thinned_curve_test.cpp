#include "plot/thinned_curve.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace vae_dist::plot {
namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

std::vector<double> counted(std::size_t count) {
  std::vector<double> out(count);
  std::iota(out.begin(), out.end(), 0.0);
  return out;
}

ThinnedCurve thin(const std::vector<double>& y, int columns, bool logarithmic = false) {
  const Scale x({0, static_cast<double>(y.size() - 1)}, false, 0, 400);
  return thinned(counted(y.size()), y, x, logarithmic, columns);
}

TEST(ThinnedCurve, LeavesShortCurvesAsTheyAre) {
  const ThinnedCurve curve = thin({3, 1, 4, 1, 5}, 400);
  ASSERT_EQ(curve.pieces.size(), 1u);
  ASSERT_EQ(curve.pieces[0].size(), 5u);
  EXPECT_EQ(curve.pieces[0][2].x, 2);
  EXPECT_EQ(curve.pieces[0][2].y, 4);
  EXPECT_EQ(curve.pieces[0][2].low, curve.pieces[0][2].high);
}

TEST(ThinnedCurve, KeepsTheLeastAndGreatestValueOfEveryColumn) {
  std::vector<double> y(100000);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = std::sin(static_cast<double>(i) / 9000);
  y[51234] = 70;  // a spike of one step
  y[51235] = -30;
  const ThinnedCurve curve = thin(y, 400);
  ASSERT_EQ(curve.pieces.size(), 1u);
  EXPECT_EQ(curve.pieces[0].size(), 400u);
  double low = 0, high = 0, seen = 0;
  for (const CurvePoint& point : curve.pieces[0]) {
    EXPECT_LE(point.low, point.y);
    EXPECT_LE(point.y, point.high);
    if (point.high == 70) seen = point.x;
    low = std::min(low, point.low);
    high = std::max(high, point.high);
  }
  EXPECT_EQ(low, -30);
  EXPECT_EQ(high, 70);
  EXPECT_NEAR(seen, 51234, 250) << "in the right place";
}

TEST(ThinnedCurve, DrawsTheMeanOfAColumn) {
  std::vector<double> y(4000);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = i % 2 ? 1 : 3;
  const ThinnedCurve curve = thin(y, 100);
  for (const CurvePoint& point : curve.pieces[0]) EXPECT_NEAR(point.y, 2, 0.1);
}

TEST(ThinnedCurve, BreaksWhereValuesAreNotFinite) {
  const ThinnedCurve curve =
      thin({1, 2, kGap, kGap, 5, std::numeric_limits<double>::infinity(), 7}, 400);
  ASSERT_EQ(curve.pieces.size(), 3u);
  EXPECT_EQ(curve.pieces[0].size(), 2u);
  EXPECT_EQ(curve.pieces[1].size(), 1u);
  EXPECT_EQ(curve.pieces[2][0].y, 7);
  EXPECT_EQ(curve.not_finite, 3u);
  EXPECT_THAT(curve.gaps, ::testing::ElementsAre(2, 3, 5));
}

TEST(ThinnedCurve, StaysSmallHoweverManyGapsThereAre) {
  std::vector<double> y(100000, 1.0);
  for (std::size_t i = 0; i < y.size(); i += 2) y[i] = kGap;
  const ThinnedCurve curve = thin(y, 400);
  EXPECT_EQ(curve.not_finite, 50000u);
  EXPECT_LE(curve.gaps.size(), 400u);
  EXPECT_LE(curve.pieces.size(), 400u);
}

TEST(ThinnedCurve, HasGapsAtValuesThatALogarithmicAxisCannotShowAndDoesNotCallThemNotFinite) {
  const ThinnedCurve curve = thin({1, 0, -2, 3}, 400, true);
  EXPECT_EQ(curve.pieces.size(), 2u);
  EXPECT_EQ(curve.not_finite, 0u);
}

TEST(ThinnedCurve, OfNothingIsNothing) {
  EXPECT_TRUE(thinned({}, {}, Scale({0, 1}, false, 0, 1), false, 400).pieces.empty());
}

}  // namespace
}  // namespace vae_dist::plot
