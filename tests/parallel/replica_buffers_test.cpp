#include "parallel/replica_buffers.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace vae_dist::parallel {
namespace {

// A network's buffers, and a forward of a replica that changes them.
struct Foreign {
  at::Tensor running = at::full({3}, 2.0), seen = at::zeros({}), batches = at::zeros({}, at::kLong);
  ReplicaBuffers buffers{{{{"running", running}}, {{"seen", seen}}, {{"batches", batches}}}};

  void forward(double value, std::int64_t count = 1) {
    running.mul_(0.9).add_(0.1 * value);
    seen.add_(value);
    batches.add_(count);
  }
};

at::Tensor skip(bool skipped) { return at::full({1}, skipped ? 1.0F : 0.0F); }

// Runs replicas `first` to `last` - 1 of four as one rank does.
at::Tensor rank(Foreign& foreign, int first, int last) {
  const at::Tensor sums = at::zeros({foreign.buffers.size()});
  foreign.buffers.begin_step();
  for (int replica = first; replica < last; ++replica) {
    foreign.forward(replica + 1);
    foreign.buffers.add(sums, 0.25);
    foreign.buffers.take_back();
  }
  return sums;
}

TEST(ReplicaBuffers, EndAStepWithTheMeanAndSumOfChangesAtAnyNumberOfRanks) {
  for (const int ranks : {1, 2, 4}) {
    std::vector<Foreign> all(static_cast<std::size_t>(ranks));
    at::Tensor total;
    for (int r = 0; r < ranks; ++r) {
      const at::Tensor sums =
          rank(all[static_cast<std::size_t>(r)], r * 4 / ranks, (r + 1) * 4 / ranks);
      total = total.defined() ? total + sums : sums;
    }
    for (Foreign& foreign : all) {
      foreign.buffers.finish(total, skip(false));
      EXPECT_TRUE(at::allclose(foreign.running, at::full({3}, 0.9 * 2 + 0.1 * 2.5)));
      EXPECT_EQ(foreign.seen.item<double>(), 1 + 2 + 3 + 4);
      EXPECT_EQ(foreign.batches.item<std::int64_t>(), 1);
    }
  }
}

TEST(ReplicaBuffers, AreLeftAsTheyWereByASkippedStepAndByAForwardThatIsTakenBack) {
  Foreign foreign;
  rank(foreign, 0, 4);
  const at::Tensor sums = at::full({foreign.buffers.size()}, std::nan(""));
  foreign.buffers.finish(sums, skip(true));
  foreign.buffers.begin_step();
  foreign.forward(9);
  foreign.buffers.take_back();
  EXPECT_TRUE(foreign.running.equal(at::full({3}, 2.0)));
  EXPECT_EQ(foreign.seen.item<double>(), 0);
  EXPECT_EQ(foreign.batches.item<std::int64_t>(), 0);
}

TEST(ReplicaBuffers, KeepInfinitiesThatNothingChanges) {
  const at::Tensor mask = at::tensor({0.0F, -std::numeric_limits<float>::infinity(), 1.0F});
  ReplicaBuffers buffers{{{{"mask", mask}}, {}, {}}};
  const at::Tensor sums = at::zeros({buffers.size()}), before = mask.clone();
  buffers.begin_step();
  mask[2].add_(1);
  buffers.add(sums, 1);
  buffers.take_back();
  EXPECT_TRUE(mask.equal(before));
  buffers.finish(sums, skip(false));
  EXPECT_TRUE(mask.equal(at::tensor({0.0F, -std::numeric_limits<float>::infinity(), 2.0F})));
}

TEST(ReplicaBuffers, RefuseWholeNumbersThatReplicasChangeDifferently) {
  Foreign foreign;
  const at::Tensor sums = at::zeros({foreign.buffers.size()});
  foreign.buffers.begin_step();
  // Their mean is that of the last.
  for (const int count : {1, 2, 3, 2}) {
    foreign.forward(1, count);
    foreign.buffers.add(sums, 0.25);
    foreign.buffers.take_back();
  }
  try {
    foreign.buffers.finish(sums, skip(false));
    FAIL();
  } catch (const base::BadInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("buffer batches"));
  }
}

}  // namespace
}  // namespace vae_dist::parallel
