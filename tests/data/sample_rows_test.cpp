#include "data/sample_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "data/sample_chunks.hpp"

namespace vae_dist::data {
namespace {

std::vector<std::int64_t> rows_of(const SampleRows& samples) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < samples.size(); ++i) out.push_back(samples.row(i));
  return out;
}

TEST(SampleRows, FollowTheirRanges) {
  EXPECT_THAT(rows_of(SampleRows({{3, 5}, {10, 13}, {0, 1}})),
              testing::ElementsAre(3, 4, 10, 11, 12, 0));
}

TEST(SampleRows, HoldingOutCutsThemInTwoPartsWithoutOverlap) {
  for (const std::int64_t rows : {2, 3, 10, 97, 300})
    for (const double fraction : {0.001, 0.1, 0.33, 0.5, 0.9, 0.999}) {
      const SampleRows all({{5, 5 + rows / 2}, {7 + rows / 2, 7 + rows}});
      const SampleRows training = all.training_part(fraction, 1265),
                       held_out = all.held_out_part(fraction, 1265);
      EXPECT_GE(held_out.size(), 1);
      EXPECT_GE(training.size(), 1);
      EXPECT_NEAR(static_cast<double>(held_out.size()), fraction * static_cast<double>(rows), 1.0);
      std::vector<std::int64_t> both = rows_of(training), expected = rows_of(all);
      const std::vector<std::int64_t> held = rows_of(held_out);
      EXPECT_TRUE(std::is_sorted(both.begin(), both.end()) &&
                  std::is_sorted(held.begin(), held.end()));
      both.insert(both.end(), held.begin(), held.end());
      std::sort(both.begin(), both.end());
      EXPECT_EQ(both, expected) << rows << " rows, fraction " << fraction;
      for (const SampleRows& part : {training, held_out})
        for (std::int64_t place = 0; place <= all.stored_count(); ++place) {
          std::int64_t below = 0;
          for (std::int64_t i = 0; i < part.size(); ++i) below += part.stored_index(i) < place;
          ASSERT_EQ(part.samples_below(place), below)
              << place << " of " << rows << ", fraction " << fraction;
        }
    }
}

TEST(SampleRows, TheSeedChoosesWhatIsHeldOut) {
  const SampleRows all({{0, 10000}});
  const std::vector<std::int64_t> held = rows_of(all.held_out_part(0.05, 1)),
                                  other = rows_of(all.held_out_part(0.05, 2));
  EXPECT_EQ(rows_of(all.held_out_part(0.05, 1)), held);
  std::vector<std::int64_t> same;
  std::set_intersection(held.begin(), held.end(), other.begin(), other.end(),
                        std::back_inserter(same));
  EXPECT_LT(same.size(), 60u);  // 25 by chance
}

TEST(SampleRows, NeedNoArrayForTenBillionRows) {
  const SampleRows all({{0, 10'000'000'000}});
  const SampleRows training = all.training_part(0.01, 1265),
                   held_out = all.held_out_part(0.01, 1265);
  EXPECT_EQ(held_out.size(), 100'000'000);
  for (std::int64_t i = 0; i < training.size(); i += 98'765'432) {
    const std::int64_t place = training.stored_index(i);
    EXPECT_EQ(training.samples_below(place), i);
    EXPECT_EQ(training.samples_below(place) + held_out.samples_below(place), place);
  }
}

TEST(SampleRows, TooFewToHoldOneOutAreRefused) {
  EXPECT_THROW(SampleRows({{4, 5}}).training_part(0.5, 1), base::BadInput);
}

TEST(SampleChunks, KnowWhereEachChunkBegins) {
  // Sizes 4 4 1 4 6 4 2: three of them irregular, given in any order.
  const SampleChunks chunks(7, 4, {{6, -2}, {2, -3}, {4, 2}});
  const std::vector<std::int64_t> sizes = {4, 4, 1, 4, 6, 4, 2};
  EXPECT_EQ(chunks.samples(), 25);
  std::int64_t sample = 0;
  for (std::int64_t c = 0; c < 7; ++c) {
    EXPECT_EQ(chunks.first_sample(c), sample);
    EXPECT_EQ(chunks.size(c), sizes[static_cast<std::size_t>(c)]);
    for (std::int64_t i = 0; i < sizes[static_cast<std::size_t>(c)]; ++i)
      EXPECT_EQ(chunks.chunk_of(sample++), c);
  }
}

}  // namespace
}  // namespace vae_dist::data
