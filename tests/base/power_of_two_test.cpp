#include "base/power_of_two.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

TEST(PowerOfTwo, IsOneTwoFourEight) {
  for (int exponent = 0; exponent < 63; ++exponent)
    EXPECT_TRUE(is_power_of_two(std::int64_t{1} << exponent)) << exponent;
  for (const std::int64_t other : {-4, -1, 0, 3, 5, 6, 7, 9, 12, 1000})
    EXPECT_FALSE(is_power_of_two(other)) << other;
}

}  // namespace
}  // namespace vae_dist::base
