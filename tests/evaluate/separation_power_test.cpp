#include "evaluate/separation_power.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vae_dist::evaluate {
namespace {

TEST(SeparationPower, IsZeroForEqualAndOneForDisjointHistograms) {
  EXPECT_EQ(separation_power({1, 2, 0, 5}, {1, 2, 0, 5}), 0);
  EXPECT_NEAR(separation_power({1, 2, 0, 5}, {10, 20, 0, 50}), 0, 1e-15) << "sums do not count";
  EXPECT_DOUBLE_EQ(separation_power({1, 3, 0, 0}, {0, 0, 5, 2}), 1);
  // 1/2 ((1/4 - 3/4)^2 / 1 + (3/4 - 1/4)^2 / 1)
  EXPECT_DOUBLE_EQ(separation_power({1, 3}, {3, 1}), 0.25);
  EXPECT_TRUE(std::isnan(separation_power({0, 0}, {1, 1})));
}

TEST(Histogram, HasTheExtremesInItsOuterBins) {
  const double low = -0.1, high = 0.7;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor counts = histogram(
      at::tensor({low, high, -0.2, 0.8, -kInfinity, kInfinity, std::nan(""), low + 0.0161},
                 at::kDouble),
      low, high);
  ASSERT_EQ(counts.size(0), kHistogramBins + 2);
  EXPECT_EQ(counts.sum().item<std::int64_t>(), 7) << "NaN does not count";
  EXPECT_EQ(counts[0].item<std::int64_t>(), 2);
  EXPECT_EQ(counts[1].item<std::int64_t>(), 1);
  EXPECT_EQ(counts[2].item<std::int64_t>(), 1) << "a bin is 0.016 wide";
  EXPECT_EQ(counts[kHistogramBins].item<std::int64_t>(), 1);
  EXPECT_EQ(counts[kHistogramBins + 1].item<std::int64_t>(), 2);
}

TEST(Histogram, OfOneValueHasOneBin) {
  const at::Tensor counts = histogram(at::tensor({2.0, 2.0, 1.5, 3.5}, at::kDouble), 2, 2);
  EXPECT_EQ(counts[0].item<std::int64_t>(), 1);
  EXPECT_EQ(counts[1].item<std::int64_t>(), 2);
  EXPECT_EQ(counts[kHistogramBins + 1].item<std::int64_t>(), 1);
}

}  // namespace
}  // namespace vae_dist::evaluate
