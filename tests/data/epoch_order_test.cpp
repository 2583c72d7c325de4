#include "data/epoch_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace vae_dist::data {
namespace {

std::shared_ptr<const SampleChunks> chunks_of(std::int64_t count, std::int64_t size,
                                              std::vector<SampleChunks::Irregular> irregular = {}) {
  return std::make_shared<SampleChunks>(count, size, std::move(irregular));
}

EpochOrder windowed(std::uint64_t seed, std::uint64_t epoch,
                    const std::shared_ptr<const SampleChunks>& chunks, std::int64_t window) {
  OrderPlan plan;
  plan.seed = seed;
  plan.window_chunks = window;
  return EpochOrder(plan, epoch, chunks);
}

WindowOrder::Turns window_of(const EpochOrder& order, std::int64_t position) {
  return order.windows().turns_of(order.windows().window_at(position));
}

// The turn of a chunk, which must be one of these; else their end.
std::int64_t turn_of(const EpochOrder& order, std::int64_t chunk, WindowOrder::Turns turns) {
  std::int64_t turn = turns.first;
  while (turn < turns.last && order.windows().piece(turn).chunk != chunk) ++turn;
  return turn;
}

std::vector<std::int64_t> order_of_all(const EpochOrder& order) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(order.samples()));
  for (std::int64_t i = 0; i < order.samples(); ++i) out[static_cast<std::size_t>(i)] = order.at(i);
  return out;
}

const std::vector<std::shared_ptr<const SampleChunks>> kKinds = {
    chunks_of(1, 1),
    chunks_of(1, 9),
    chunks_of(7, 1),
    chunks_of(20, 8),
    chunks_of(20, 8, {{19, -5}}),
    chunks_of(33, 5, {{0, -4}, {3, 2}, {17, -1}, {18, -2}, {32, 7}})};

TEST(EpochOrder, VisitsEverySampleOnceForEveryWindow) {
  for (const auto& chunks : kKinds)
    for (const std::int64_t window : {0, 1, 2, 3, 7, 20, 1000})
      for (const std::uint64_t epoch : {0, 1, 77}) {
        std::vector<std::int64_t> expected(static_cast<std::size_t>(chunks->samples())),
            order = order_of_all(windowed(1265, epoch, chunks, window));
        std::iota(expected.begin(), expected.end(), 0);
        std::sort(order.begin(), order.end());
        EXPECT_TRUE(order == expected)
            << chunks->count() << " chunks, window " << window << ", epoch " << epoch;
      }
}

TEST(EpochOrder, AWindowIsTheChunksOfItsTurns) {
  for (const auto& chunks : kKinds)
    for (const std::int64_t window : {1, 3, 7, 1000}) {
      const EpochOrder order = windowed(1265, 5, chunks, window);
      std::int64_t turn = 0;
      for (std::int64_t i = 0; i < order.samples(); ++i) {
        const WindowOrder::Turns turns = window_of(order, i);
        EXPECT_TRUE(turns.first == turn || turns.first == turns.last ||
                    window_of(order, i - 1).last == turns.first);
        turn = turns.first;
        EXPECT_LE(turns.last - turns.first, window);
        const std::int64_t of_sample = turn_of(order, chunks->chunk_of(order.at(i)), turns);
        EXPECT_TRUE(turns.first <= of_sample && of_sample < turns.last);
      }
      EXPECT_EQ(window_of(order, order.samples() - 1).last, order.windows().turns());
    }
}

// A change of the order breaks the resume of every streamed run.
TEST(EpochOrder, DependsOnSeedAndEpoch) {
  const auto chunks = chunks_of(40, 25);
  const std::vector<std::int64_t> order = order_of_all(windowed(1265, 0, chunks, 8));
  EXPECT_EQ(order_of_all(windowed(1265, 0, chunks, 8)), order);
  for (const auto& other : {windowed(1265, 1, chunks, 8), windowed(1266, 0, chunks, 8)}) {
    const std::vector<std::int64_t> others = order_of_all(other);
    int same = 0;
    for (std::size_t i = 0; i < order.size(); ++i) same += order[i] == others[i];
    EXPECT_LT(same, 10);
  }
}

TEST(EpochOrder, WithoutAWindowItIsTheOrderOfAllSamples) {
  const SampleOrder all(1265, 3, 1000);
  const EpochOrder order = windowed(1265, 3, chunks_of(40, 25), 0);
  for (std::int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order.at(i), all.at(i));
}

// Counts where samples land, in tenths: over many epochs, every tenth of the dataset comes up
// equally often in every tenth of the epoch. A window keeps its chunks together, so the counts of
// one epoch vary more than those of a free permutation, by the size of a window's share.
TEST(EpochOrder, PutsEverySampleEverywhereEquallyOften) {
  constexpr std::int64_t kParts = 10, kEpochs = 4000;
  const auto chunks = chunks_of(100, 4, {{99, -2}});
  std::vector<double> seen(kParts * kParts);
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const EpochOrder order = windowed(1265, epoch, chunks, 10);
    for (std::int64_t i = 0; i < order.samples(); ++i)
      seen[static_cast<std::size_t>(i * kParts / order.samples() * kParts +
                                    order.at(i) * kParts / order.samples())] += 1;
  }
  // The chunks are permuted, so a count is 4 times a count of chunks, whose variance is about 1 per
  // epoch.
  const double expected = 398.0 * kEpochs / (kParts * kParts);
  double chi_square = 0;
  for (const double count : seen)
    chi_square += (count - expected) * (count - expected) / (expected * 4);
  EXPECT_NEAR(chi_square, 81, 5 * std::sqrt(2.0 * 81));
}

TEST(EpochOrder, ShufflesTheSamplesWithinAWindow) {
  const auto chunks = chunks_of(64, 16);
  const EpochOrder order = windowed(1265, 0, chunks, 16);
  // Counts how many chunks 64 consecutive samples touch: 64 draws from 16 chunks leave 16 * (1 -
  // 1/16)^64 = 0.26 untouched.
  double touched = 0;
  for (std::int64_t batch = 0; batch < 16; ++batch) {
    std::set<std::int64_t> of_batch;
    for (std::int64_t i = 0; i < 64; ++i)
      of_batch.insert(chunks->chunk_of(order.at(64 * batch + i)));
    touched += static_cast<double>(of_batch.size()) / 16;
  }
  EXPECT_GT(touched, 15.0);
}

TEST(EpochOrder, NeedsNoArrayForTenBillionSamples) {
  // As in a resume in the middle of an epoch: the order is created anew and asked once.
  const auto chunks = chunks_of(156'250'000, 64, {{156'249'999, -30}});
  std::set<std::int64_t> seen;
  for (std::int64_t i = 0; i < 2000; ++i) {
    const EpochOrder order = windowed(1265, 3, chunks, 85);
    const std::int64_t position = i * 4'999'999, sample = order.at(position);
    ASSERT_TRUE(0 <= sample && sample < chunks->samples());
    const WindowOrder::Turns window = window_of(order, position);
    const std::int64_t turn = turn_of(order, chunks->chunk_of(sample), window);
    ASSERT_TRUE(window.first <= turn && turn < window.last);
    seen.insert(sample);
  }
  EXPECT_EQ(seen.size(), 2000u);
}

}  // namespace
}  // namespace vae_dist::data
