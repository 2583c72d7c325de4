#include "evaluate/image_scores.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace vae_dist::evaluate {
namespace {

TEST(Psnr, IsInDecibelsBelowAPeakOfOne) {
  EXPECT_DOUBLE_EQ(psnr_db(1), 0);
  EXPECT_DOUBLE_EQ(psnr_db(0.01), 20);
  EXPECT_NEAR(psnr_db(1.0 / (255 * 255)), 48.1308, 1e-4);  // one step of 8 bits everywhere
  EXPECT_EQ(psnr_db(0), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace vae_dist::evaluate
