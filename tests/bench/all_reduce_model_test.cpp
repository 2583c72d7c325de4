#include "bench/all_reduce_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace vae_dist::bench {
namespace {

constexpr double kCores = 2, kCache = 32e6;

// An all-reduce on one node.
AllReduce on_node(int ranks, double bytes) {
  return {ranks, bytes, std::max(1.0, ranks / kCores),
          std::max(0.0, 1 - kCache / (1.5 * ranks * bytes))};
}

std::vector<AllReduceTime> times_of(const AllReduceModel& model, const std::vector<int>& ranks) {
  std::vector<AllReduceTime> out;
  for (const int p : ranks)
    for (double bytes = 1 << 12; bytes <= 1 << 26; bytes *= 8)
      out.push_back({on_node(p, bytes), model.seconds(on_node(p, bytes))});
  return out;
}

TEST(AllReduceModel, IsTheSumOfMessagesTurnsBytesAndSharedBytes) {
  const AllReduceModel model{1e-5, 2e-6, 1e-9, 1e-10, 1e-11};
  EXPECT_DOUBLE_EQ(model.seconds({2, 1e6}), 2 * 1e-5 + 1e6 * 1e-9 + 2 * 1e6 * 1e-10);
  EXPECT_DOUBLE_EQ(model.seconds({8, 1e6}), 6 * 1e-5 + 1.75 * 1e6 * 1e-9 + 14 * 1e6 * 1e-10);
  EXPECT_DOUBLE_EQ(model.seconds({8, 1e6, 4, 0.5}),
                   6 * (1e-5 + 3 * 2e-6) + 1.75 * 1e6 * 1e-9 + 14 * 1e6 * (1e-10 + 0.5 * 1e-11));
}

TEST(AllReduceModel, IsFoundAgainFromItsTimes) {
  const AllReduceModel truth{2e-5, 5e-6, 3e-10, 4e-11, 6e-11};
  const AllReduceModel found = fit_all_reduce(times_of(truth, {2, 8}));
  EXPECT_NEAR(found.message_seconds / truth.message_seconds, 1, 1e-6);
  EXPECT_NEAR(found.turn_seconds / truth.turn_seconds, 1, 1e-6);
  EXPECT_NEAR(found.byte_seconds / truth.byte_seconds, 1, 1e-6);
  EXPECT_NEAR(found.shared_byte_seconds / truth.shared_byte_seconds, 1, 1e-6);
  EXPECT_NEAR(found.uncached_byte_seconds / truth.uncached_byte_seconds, 1, 1e-6);
  EXPECT_NEAR(found.seconds(on_node(4, 1e7)) / truth.seconds(on_node(4, 1e7)), 1, 1e-6)
      << "at a number of ranks that was left out";
}

TEST(AllReduceModel, HasNoNegativeTerm) {
  std::vector<AllReduceTime> times = times_of({2e-5, 0, 3e-10, 0, 0}, {2, 4});
  for (AllReduceTime& time : times)
    if (time.ranks == 4) time.seconds *= 0.7;  // faster than nonnegative terms allow for more ranks
  const AllReduceModel found = fit_all_reduce(times);
  EXPECT_GE(found.message_seconds, 0);
  EXPECT_GE(found.turn_seconds, 0);
  EXPECT_GE(found.byte_seconds, 0);
  EXPECT_GE(found.shared_byte_seconds, 0);
  EXPECT_GE(found.uncached_byte_seconds, 0);
}

TEST(AllReduceModel, OfOneNumberOfRanksStillFits) {
  const AllReduceModel truth{2e-5, 0, 3e-10, 0, 0};
  EXPECT_NEAR(fit_all_reduce(times_of(truth, {2})).seconds(on_node(2, 1e6)),
              truth.seconds(on_node(2, 1e6)), 1e-9);
  EXPECT_THROW(fit_all_reduce({}), std::invalid_argument);
}

TEST(Interconnect, OneRankSumsNothingAndNodesAddTheNetwork) {
  const Interconnect links{8, 450, 400, 3, 10};
  EXPECT_EQ(all_reduce_seconds(links, 1e9, 1), 0);
  EXPECT_NEAR(all_reduce_seconds(links, 1e9, 8), 6 * 3e-6 + 1.75 / 450, 1e-12);
  EXPECT_NEAR(all_reduce_seconds(links, 1e9, 16), 6 * 3e-6 + 1.75 / 450 + 2 * 10e-6 + 1.0 / 400,
              1e-12);
  EXPECT_LT(all_reduce_seconds(links, 1e9, 1024), all_reduce_seconds(links, 1e9, 16) * 2);
}

TEST(ExposedSeconds, IsWhatBackwardDoesNotHide) {
  const auto a_second_each = [](double) { return 1.0; };
  EXPECT_EQ(exposed_seconds({{1, 0}, {2, 0}, {5, 0}}, 6, a_second_each), 0);
  EXPECT_EQ(exposed_seconds({{1, 0}, {6, 0}}, 6, a_second_each), 1)
      << "the last is ready when backward ends";
  EXPECT_EQ(exposed_seconds({{5, 0}, {5.5, 0}, {6, 0}}, 6, a_second_each), 2)
      << "one waits for the other";
}

}  // namespace
}  // namespace vae_dist::bench
