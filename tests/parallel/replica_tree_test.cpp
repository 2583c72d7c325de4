#include "parallel/replica_tree.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

namespace vae_dist::parallel {
namespace {

// The result of replica r: values whose sum depends on the order of the additions.
at::Tensor of_replica(std::int64_t r) {
  return at::sin(at::arange(1, 1001, at::kFloat) * static_cast<double>(r + 1)) *
         std::pow(10.0, static_cast<double>(r % 5));
}

// The tree sum by its definition: neighbours are added first.
at::Tensor tree_sum(std::int64_t first, std::int64_t count) {
  if (count == 1) return of_replica(first);
  return tree_sum(first, count / 2) + tree_sum(first + count / 2, count / 2);
}

class ReplicaTreeSizes : public testing::TestWithParam<std::int64_t> {};

TEST_P(ReplicaTreeSizes, IsTheBinaryTreeOverReplicasBitForBit) {
  const std::int64_t replicas = GetParam();
  const at::Tensor arena = at::zeros({1000});
  ReplicaTree tree(arena, replicas);
  for (int step = 0; step < 2; ++step) {
    tree.clear();
    arena.zero_();
    for (std::int64_t r = 0; r < replicas; ++r) {
      arena.add_(of_replica(r));  // backward accumulates like this
      if (r + 1 < replicas) tree.take();
    }
    // The parts of the last replica become ready one by one, from the end.
    tree.fold(600, 400);
    tree.fold(0, 600);
    EXPECT_TRUE(at::equal(arena, tree_sum(0, replicas)));
  }
}

INSTANTIATE_TEST_SUITE_P(PowersOfTwo, ReplicaTreeSizes, testing::Values(1, 2, 4, 8, 16));

TEST(ReplicaTree, IsAnotherSumThanAChain) {
  at::Tensor chain = at::zeros({1000});
  for (std::int64_t r = 0; r < 8; ++r) chain.add_(of_replica(r));
  EXPECT_FALSE(at::equal(chain, tree_sum(0, 8)));
}

TEST(ReplicaTree, HoldsAsManyArenasAsItHasLevels) {
  EXPECT_EQ(ReplicaTree(at::zeros({4}), 1).arenas(), 0U);
  EXPECT_EQ(ReplicaTree(at::zeros({4}), 8).arenas(), 3U);
  EXPECT_THROW(ReplicaTree(at::zeros({4}), 6), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::parallel
