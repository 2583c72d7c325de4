#include "parallel/gradient_reducer.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kStatistics = 5;

at::Tensor random_of(std::uint64_t seed, std::int64_t count) { return at::randn({count}, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble); }

// Twelve leaves, whose gradient in a batch is a known random vector: the loss is a sum of dot products.
struct Leaves {
  NamedTensors named;

  Leaves() {
    for (int i = 0; i < 12; ++i) named.emplace_back("leaf" + std::to_string(i), at::ones({40 + 30 * i}, at::kDouble).requires_grad_());
  }

  static std::uint64_t seed(std::int64_t batch, std::size_t leaf) { return static_cast<std::uint64_t>(1000 * batch) + leaf; }

  // `order`: in which the terms are added up; the engine visits them in reverse.
  at::Tensor loss(std::int64_t batch, const std::vector<std::size_t>& order) const {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const std::size_t i : order) sum = sum + named[i].second.dot(random_of(seed(batch, i), named[i].second.numel()));
    return sum;
  }

  // Of the batches [0, batches).
  at::Tensor straight_sum(std::size_t leaf, std::int64_t batches) const {
    at::Tensor sum = at::zeros_like(named[leaf].second);
    for (std::int64_t batch = 0; batch < batches; ++batch) sum = sum + random_of(seed(batch, leaf), sum.numel());
    return sum;
  }
};

std::vector<std::size_t> shuffled(std::uint64_t seed) {
  std::vector<std::size_t> order(12);
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[(seed * 7919 + i * 104729) % i]);
  return order;
}

struct Case {
  int ranks;
  std::int64_t batches;  // of each rank
  bool reproducible;
};

class Reducing : public testing::TestWithParam<Case> {};

TEST_P(Reducing, GivesEveryRankTheSumOverAllBatchesWhateverTheOrderOfItsHooks) {
  const Case c = GetParam();
  run_thread_ranks(c.ranks, [&](Communicator& comm) {
    Leaves leaves;
    ParameterArena arena(leaves.named, false);
    const at::Tensor statistics = at::zeros({kStatistics}, at::kDouble);
    CollectiveLog log;
    const auto exchange_comm = comm.duplicate();
    ReducerOptions options;
    options.caps = {.first_bytes = 600, .bytes = 3000};
    options.batches = c.batches;
    options.reproducible = c.reproducible;
    GradientReducer reducer(arena, leaves.named, statistics, comm.size() > 1 ? make_host_exchange(*exchange_comm, c.reproducible ? SumOrder::tree : SumOrder::fast, {log, "gradients"}) : nullptr, options);
    EXPECT_GT(reducer.buckets().size(), 3U);

    for (std::uint64_t step = 0; step < 3; ++step) {
      reducer.begin_step();
      for (std::int64_t b = 0; b < c.batches; ++b) {
        const std::int64_t batch = comm.rank() * c.batches + b;
        const at::Tensor loss = leaves.loss(batch, shuffled(step * 10 + static_cast<std::uint64_t>(comm.rank())));
        statistics.add_(static_cast<double>(batch + 1));
        reducer.batch_forwarded();
        loss.backward();
        reducer.batch_done();
      }
      reducer.finish();
      const std::int64_t all = c.ranks * c.batches;
      for (std::size_t i = 0; i < leaves.named.size(); ++i)
        EXPECT_TRUE(at::allclose(leaves.named[i].second.grad(), leaves.straight_sum(i, all), 1e-12, 1e-12)) << "leaf " << i << ", step " << step;
      EXPECT_TRUE(at::allclose(statistics, at::full({kStatistics}, static_cast<double>(all * (all + 1) / 2), at::kDouble)));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, Reducing,
                         testing::Values(Case{1, 1, false}, Case{1, 3, false}, Case{2, 1, false}, Case{3, 1, false}, Case{4, 2, false}, Case{5, 1, false}, Case{8, 1, false},
                                         Case{1, 4, true}, Case{2, 2, true}, Case{4, 1, true}, Case{8, 2, true}),
                         [](const auto& info) {
                           return std::to_string(info.param.ranks) + "ranks" + std::to_string(info.param.batches) + "batches" + (info.param.reproducible ? "Tree" : "");
                         });

// The gradients of 8 batches, summed by `ranks` ranks, with these buckets.
at::Tensor tree_of_eight(int ranks, const BucketCaps& caps) {
  at::Tensor result;
  run_thread_ranks(ranks, [&](Communicator& comm) {
    Leaves leaves;
    ParameterArena arena(leaves.named, false);
    const at::Tensor statistics = at::zeros({kStatistics}, at::kDouble);
    CollectiveLog log;
    const auto exchange_comm = comm.duplicate();
    ReducerOptions options;
    options.caps = caps;
    options.batches = 8 / ranks;
    options.reproducible = true;
    GradientReducer reducer(arena, leaves.named, statistics, comm.size() > 1 ? make_host_exchange(*exchange_comm, SumOrder::tree, {log, "gradients"}) : nullptr, options);
    reducer.begin_step();
    for (std::int64_t b = 0; b < options.batches; ++b) {
      const at::Tensor loss = leaves.loss(comm.rank() * options.batches + b, shuffled(static_cast<std::uint64_t>(comm.rank())));
      reducer.batch_forwarded();
      loss.backward();
      reducer.batch_done();
    }
    reducer.finish();
    if (comm.rank() == comm.size() - 1) result = arena.gradients().clone();
  });
  return result;
}

TEST(Reducing, GivesTheSameBitsAtEveryPowerOfTwoOfRanksAndAnyBuckets) {
  const at::Tensor one = tree_of_eight(1, {});
  for (const int ranks : {2, 4, 8}) EXPECT_TRUE(at::equal(tree_of_eight(ranks, {}), one)) << ranks << " ranks";
  EXPECT_TRUE(at::equal(tree_of_eight(4, {.first_bytes = 100, .bytes = 1000}), one)) << "other buckets";
}

TEST(Reducing, NamesAParameterThatGotNoGradient) {
  Leaves leaves;
  ParameterArena arena(leaves.named, false);
  GradientReducer reducer(arena, leaves.named, at::zeros({kStatistics}, at::kDouble), nullptr, {});
  reducer.begin_step();
  reducer.batch_forwarded();
  leaves.named[3].second.sum().backward();
  reducer.batch_done();
  try {
    reducer.finish();
    FAIL() << "nothing was thrown";
  } catch (const Failure& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("leaf0, leaf1, leaf2, leaf4"));
  }
}

TEST(Reducing, TakesItsHooksOffWhenItIsGone) {
  Leaves leaves;
  ParameterArena arena(leaves.named, false);
  { GradientReducer reducer(arena, leaves.named, at::zeros({kStatistics}, at::kDouble), nullptr, {}); }
  leaves.loss(0, shuffled(0)).backward();  // a hook of the dead reducer would crash
  EXPECT_TRUE(at::allclose(leaves.named[0].second.grad(), leaves.straight_sum(0, 1)));
}

}  // namespace
}  // namespace vae_dist
