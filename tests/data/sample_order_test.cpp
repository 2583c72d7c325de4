#include "data/sample_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

namespace vae_dist::data {
namespace {

std::vector<std::int64_t> whole_order(std::uint64_t seed, std::uint64_t epoch,
                                      std::int64_t samples) {
  const SampleOrder order(seed, epoch, samples);
  std::vector<std::int64_t> out(static_cast<std::size_t>(samples));
  for (std::int64_t i = 0; i < samples; ++i) out[static_cast<std::size_t>(i)] = order.at(i);
  return out;
}

// Returns the chi-square of how often a sample of part s lands in part p of the order, with `parts`
// parts each, over `epochs` epochs. The parts of a permutation fill each other exactly, which
// leaves (parts - 1)^2 degrees of freedom, times N / (N - 1).
double landing_chi_square(std::int64_t samples, std::int64_t parts, std::uint64_t epochs) {
  std::vector<double> seen(static_cast<std::size_t>(parts * parts), 0);
  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    const std::vector<std::int64_t> order = whole_order(1265, epoch, samples);
    for (std::int64_t i = 0; i < samples; ++i)
      seen[static_cast<std::size_t>(i * parts / samples * parts +
                                    order[static_cast<std::size_t>(i)] * parts / samples)] += 1;
  }
  const double expected = static_cast<double>(samples) * static_cast<double>(epochs) /
                          static_cast<double>(parts * parts);
  double chi_square = 0;
  for (const double count : seen) chi_square += (count - expected) * (count - expected) / expected;
  return chi_square;
}

TEST(SampleOrder, VisitsEverySampleOnce) {
  for (const std::int64_t samples : {1, 2, 3, 4, 5, 10, 16, 17, 64, 65, 1000, 4096, 4097}) {
    std::vector<std::int64_t> expected(static_cast<std::size_t>(samples));
    std::iota(expected.begin(), expected.end(), 0);
    for (const std::uint64_t epoch : {0, 1, 77}) {
      std::vector<std::int64_t> order = whole_order(1265, epoch, samples);
      std::sort(order.begin(), order.end());
      EXPECT_TRUE(order == expected) << samples << " samples, epoch " << epoch;
    }
  }
}

// The expected values come from an independent implementation in Python. A change here breaks the
// resume of every run.
TEST(SampleOrder, IsPartOfTheFormatOfARun) {
  EXPECT_THAT(whole_order(1265, 0, 10), testing::ElementsAre(4, 7, 0, 3, 5, 9, 6, 1, 2, 8));
  EXPECT_EQ(SampleOrder(1265, 2, 10'000'000'000).at(9'999'999'999), 3'274'631'060);
}

TEST(SampleOrder, DiffersByEpochAndSeed) {
  const std::vector<std::int64_t> order = whole_order(1265, 0, 1000);
  EXPECT_EQ(whole_order(1265, 0, 1000), order);
  std::vector<std::int64_t> unshuffled(1000);
  std::iota(unshuffled.begin(), unshuffled.end(), 0);
  for (const auto& other : {whole_order(1265, 1, 1000), whole_order(1266, 0, 1000), unshuffled}) {
    int same = 0;
    for (std::size_t i = 0; i < order.size(); ++i) same += order[i] == other[i];
    EXPECT_LT(same, 10);  // one on average, by chance
  }
}

// The seed fixes the counts, so bounds of five standard deviations hold always or never.
TEST(SampleOrder, PutsEverySampleEverywhereEquallyOften) {
  const double tolerance = 5 * std::sqrt(2.0 * 81);
  EXPECT_NEAR(landing_chi_square(10, 10, 5000), 81 * 10.0 / 9, tolerance * 10 / 9);
  EXPECT_NEAR(landing_chi_square(1000, 10, 300), 81, tolerance);
  EXPECT_NEAR(landing_chi_square(1030, 10, 300), 81,
              tolerance);  // most values need several steps: 1030 of a domain of 4096
}

TEST(SampleOrder, TearsNeighboursApart) {
  constexpr std::uint64_t kEpochs = 300;
  double together = 0;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const std::vector<std::int64_t> order = whole_order(1265, epoch, 1000);
    for (std::size_t i = 0; i + 1 < order.size(); ++i) together += order[i + 1] == order[i] + 1;
  }
  EXPECT_NEAR(together / kEpochs, 0.999,
              5 * std::sqrt(1.0 / kEpochs));  // 999 pairs, each with chance 1 / 1000
}

TEST(SampleOrder, NeedsNoArrayForTenBillionSamples) {
  constexpr std::int64_t kSamples = 10'000'000'000, kAsked = 100'000;
  const SampleOrder order(1265, 3, kSamples);
  std::set<std::int64_t> seen;
  double sum = 0;
  for (std::int64_t i = 0; i < kAsked; ++i) {
    const std::int64_t sample = order.at(i * (kSamples / kAsked) + i % 7);
    ASSERT_GE(sample, 0);
    ASSERT_LT(sample, kSamples);
    seen.insert(sample);
    sum += static_cast<double>(sample) / kSamples;
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kAsked));
  EXPECT_NEAR(sum / kAsked, 0.5, 5 * std::sqrt(1.0 / 12 / kAsked));
}

TEST(SampleOrder, NeedsASample) { EXPECT_THROW(SampleOrder(1, 0, 0), std::invalid_argument); }

}  // namespace
}  // namespace vae_dist::data
