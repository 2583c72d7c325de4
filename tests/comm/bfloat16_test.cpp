#include "comm/bfloat16.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vae_dist::comm {
namespace {

float rounded(float value) { return to_float(to_bfloat16(value)); }

TEST(Bfloat16, KeepsEveryValueThatItHas) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bfloat16 value{static_cast<std::uint16_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide))
      EXPECT_TRUE(std::isnan(rounded(wide))) << bits;
    else
      EXPECT_EQ(to_bfloat16(wide).bits, bits);
  }
}

TEST(Bfloat16, TakesTheNearestAndOfTwoTheEvenOne) {
  const float step = std::ldexp(1.0F, -7);  // distance of neighbours between 1 and 2
  EXPECT_EQ(rounded(1 + 0.49F * step), 1);
  EXPECT_EQ(rounded(1 + 0.51F * step), 1 + step);
  EXPECT_EQ(rounded(1 + 0.5F * step), 1) << "1 has an even mantissa";
  EXPECT_EQ(rounded(1 + 1.5F * step), 1 + 2 * step);
  EXPECT_EQ(rounded(-1 - 1.5F * step), -1 - 2 * step);
  EXPECT_EQ(rounded(2 - std::ldexp(1.0F, -20)), 2) << "carries into the exponent";
}

TEST(Bfloat16, IsOffByHalfAStepAtMost) {
  float largest = 0;
  for (float value = 1e-30F; value < 1e30F; value *= 1.00123F)
    largest = std::max(largest, std::abs(rounded(value) - value) / value);
  EXPECT_LE(largest, std::ldexp(1.0F, -8));
  EXPECT_GT(largest, 0.98F * std::ldexp(1.0F, -8));
}

TEST(Bfloat16, KeepsWhatIsNotFinite) {
  using Limits = std::numeric_limits<float>;
  EXPECT_EQ(rounded(Limits::infinity()), Limits::infinity());
  EXPECT_EQ(rounded(-Limits::infinity()), -Limits::infinity());
  EXPECT_EQ(rounded(Limits::max()), Limits::infinity()) << "above the largest bfloat16";
  for (const std::uint32_t bits : {0x7f800001U, 0x7fffffffU, 0xff800001U, 0xffffffffU, 0x7fc00000U})
    EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(bits)))) << bits;
}

}  // namespace
}  // namespace vae_dist::comm
