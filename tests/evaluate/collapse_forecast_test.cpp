#include <gtest/gtest.h>

#include "evaluate/collapse.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

// Four grey images of 3x3 about 100: the first four pixels move together by +-40, the last two in
// opposite directions by +-10. The largest eigenvalue is that of the first direction, 40^2 * 4.
// Among the first two images only the second direction remains, with 10^2 * 2.
const std::vector<std::uint8_t> kTwoDirections = {
    140, 140, 140, 140, 100, 100, 100, 110, 90,   //
    140, 140, 140, 140, 100, 100, 100, 90,  110,  //
    60,  60,  60,  60,  100, 100, 100, 110, 90,   //
    60,  60,  60,  60,  100, 100, 100, 90,  110,  //
};
constexpr double kFirst = 40.0 * 40 * 4 / (255 * 255), kSecond = 10.0 * 10 * 2 / (255 * 255);

class TopVariance : public StoredImages {};

TEST_F(TopVariance, IsTheLargestEigenvalueOfTheCovariance) {
  const data::SampleDataset data = stored({4, 3, 3}, kTwoDirections);
  EXPECT_NEAR(top_variance(data, 4, format_of(data)), kFirst, 1e-5 * kFirst);
}

TEST_F(TopVariance, IsOfTheImagesAsTheModelSeesThem) {
  const data::SampleDataset data = stored({4, 3, 3}, kTwoDirections);
  EXPECT_NEAR(top_variance(data, 4, format_of(data, -1, 1)), 4 * kFirst, 4e-5 * kFirst);
}

TEST_F(TopVariance, IsOfTheFirstImagesOnlyAndOfAllWhereMoreAreAskedFor) {
  const data::SampleDataset data = stored({4, 3, 3}, kTwoDirections);
  EXPECT_NEAR(top_variance(data, 2, format_of(data)), kSecond, 1e-5 * kSecond);
  EXPECT_NEAR(top_variance(data, 2000, format_of(data)), kFirst, 1e-5 * kFirst);
}

TEST_F(TopVariance, IsZeroWhereAllImagesAreTheSame) {
  const data::SampleDataset data = stored({3, 2, 2}, {9, 8, 7, 6, 9, 8, 7, 6, 9, 8, 7, 6});
  EXPECT_NEAR(top_variance(data, 3, format_of(data)), 0.0, 1e-12);
}

TEST(CollapseForecast, IsSureWhereTheDecodersVarianceReachesTheImages) {
  EXPECT_FALSE(must_collapse(0.9, 1.0));
  EXPECT_TRUE(must_collapse(1.0, 1.0));
  EXPECT_FALSE(must_collapse(1.9, 4.0));
  EXPECT_TRUE(must_collapse(2.1, 4.0));
}

}  // namespace
}  // namespace vae_dist::evaluate
