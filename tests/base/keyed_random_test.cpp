#include "base/keyed_random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace vae_dist::base {
namespace {

using testing::ElementsAre;

std::vector<float> normals(PhiloxKey key, std::uint64_t sample, std::uint32_t draw,
                           std::size_t count) {
  std::vector<float> out(count);
  fill_normal(key, sample, draw, out);
  return out;
}

std::vector<float> uniforms(PhiloxKey key, std::uint64_t sample, std::uint32_t draw,
                            std::size_t count) {
  std::vector<float> out(count);
  fill_uniform(key, sample, draw, out);
  return out;
}

// The known answers for philox4x32 with 10 rounds from Random123's tests/kat_vectors.
TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  EXPECT_THAT(philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(RandomKey, DiffersBySeedPurposeAndEpoch) {
  std::set<PhiloxKey> keys;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1265ULL, 1ULL << 32, ~0ULL})
    for (std::uint32_t purpose = 1; purpose <= 8; ++purpose)
      for (std::uint64_t epoch = 0; epoch < 50; ++epoch)
        keys.insert(random_key(seed, static_cast<Purpose>(purpose), epoch));
  EXPECT_EQ(keys.size(), 5u * 8u * 50u);
}

// Values from an independent implementation in Python. A change here breaks the resume of every
// run.
TEST(RandomKey, IsPartOfTheFormatOfARun) {
  EXPECT_THAT(random_key(1265, Purpose::noise, 7), ElementsAre(0x24f45639, 0x7836c7b7));
}

TEST(RandomBlock, CountsBlocksDrawsAndSamplesBeyond32Bits) {
  const PhiloxKey key = {1, 2};
  EXPECT_EQ(random_block(key, 0x0000000500000006, 4, 3), philox({3, 4, 6, 5}, key));
}

// Values from an independent implementation in Python with numpy.float32.
TEST(FillNormal, IsPartOfTheFormatOfARun) {
  const std::vector<float> values =
      normals(random_key(1265, Purpose::noise, 7), (1ULL << 32) + 5, 0, 6);
  const std::vector<float> expected = {0.55074525f, 0.773781f,   0.57083f,
                                       1.2882615f,  -0.5064979f, -0.45103f};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(values[i], expected[i]) << i;
}

TEST(FillNormal, GivesTheSameFirstNumbersHoweverManyAreAsked) {
  const PhiloxKey key = random_key(1, Purpose::noise, 0);
  const std::vector<float> all = normals(key, 9, 0, 67);
  for (std::size_t count = 0; count < all.size(); ++count)
    EXPECT_EQ(normals(key, 9, 0, count),
              std::vector<float>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)));
}

TEST(FillUniform, GivesTheSameFirstNumbersHoweverManyAreAsked) {
  const PhiloxKey key = random_key(1, Purpose::flip, 0);
  const std::vector<float> all = uniforms(key, 9, 0, 19);
  for (std::size_t count = 0; count < all.size(); ++count)
    EXPECT_EQ(uniforms(key, 9, 0, count),
              std::vector<float>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)));
}

TEST(FillNormal, DiffersBySampleAndDraw) {
  const PhiloxKey key = random_key(1, Purpose::noise, 0);
  EXPECT_NE(normals(key, 0, 0, 8), normals(key, 1, 0, 8));
  EXPECT_NE(normals(key, 0, 0, 8), normals(key, 0, 1, 8));
  EXPECT_NE(normals(key, 0, 0, 8), normals(key, 1ULL << 32, 0, 8));
}

// The key determines the numbers, so the bounds of five standard errors hold either always or
// never.
TEST(FillNormal, HasTheMomentsOfTheStandardNormal) {
  constexpr int kSamples = 10000, kDraws = 100;
  const double n = static_cast<double>(kSamples) * kDraws;
  double moments[4] = {}, neighbours = 0, beyond_three = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    const std::vector<float> z =
        normals(random_key(3, Purpose::noise, 2), static_cast<std::uint64_t>(sample), 0, kDraws);
    for (std::size_t i = 0; i < z.size(); ++i) {
      for (int power = 0; power < 4; ++power) moments[power] += std::pow(z[i], power + 1) / n;
      neighbours += z[i] * z[(i + 1) % z.size()] / n;
      beyond_three += std::abs(z[i]) > 3 ? 1 / n : 0;
    }
  }
  const double error = 5 / std::sqrt(n);
  EXPECT_NEAR(moments[0], 0, error);
  EXPECT_NEAR(moments[1], 1, error * std::sqrt(2.0));
  EXPECT_NEAR(moments[2], 0, error * std::sqrt(15.0));
  EXPECT_NEAR(moments[3], 3, error * std::sqrt(96.0));
  EXPECT_NEAR(neighbours, 0, error);
  EXPECT_NEAR(beyond_three, 0.0026998, error * std::sqrt(0.0027));
}

TEST(FillUniform, FillsTheUnitIntervalEvenly) {
  constexpr int kBins = 64;
  constexpr std::size_t kCount = 1 << 18;
  const std::vector<float> values = uniforms(random_key(3, Purpose::order, 2), 0, 0, kCount);
  std::vector<double> bins(kBins, 0);
  for (const float value : values) {
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ASSERT_EQ(std::ldexp(value, 24),
              std::floor(std::ldexp(value, 24)));  // 24 bits: no rounding up to 1
    bins[static_cast<std::size_t>(value * kBins)] += 1;
  }
  const double expected = static_cast<double>(kCount) / kBins;
  double chi_square = 0;
  for (const double seen : bins) chi_square += (seen - expected) * (seen - expected) / expected;
  EXPECT_NEAR(chi_square, 63, 5 * std::sqrt(2.0 * 63));  // 63 degrees of freedom
}

}  // namespace
}  // namespace vae_dist::base
