#include "parallel/gradient_reducer.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"

namespace vae_dist {
namespace {

at::Tensor of_rank(int rank, std::int64_t count, std::uint64_t seed) {
  return at::randn({count}, at::make_generator<at::CPUGeneratorImpl>(seed * 100 + static_cast<std::uint64_t>(rank)), at::kDouble);
}

class GradientReducerRanks : public testing::TestWithParam<int> {};

TEST_P(GradientReducerRanks, GetTheSumOfAllInEveryArena) {
  const int ranks = GetParam();
  at::Tensor gradients = at::zeros({1000}, at::kDouble), statistics = at::zeros({7}, at::kDouble);
  for (int rank = 0; rank < ranks; ++rank) {
    gradients += of_rank(rank, 1000, 1);
    statistics += of_rank(rank, 7, 2);
  }
  run_thread_ranks(ranks, [&](Communicator& comm) {
    const at::Tensor mine = of_rank(comm.rank(), 1000, 1), also_mine = of_rank(comm.rank(), 7, 2);
    GradientReducer reducer(comm, {mine, also_mine});
    EXPECT_EQ(reducer.bytes_per_step(), 1007U * 8);
    for (int step = 1; step <= 2; ++step) {
      mine.copy_(of_rank(comm.rank(), 1000, 1) * step);
      also_mine.copy_(of_rank(comm.rank(), 7, 2));
      reducer.finish();
      EXPECT_TRUE(at::allclose(mine, gradients * step, 1e-12, 1e-12)) << "rank " << comm.rank() << ", step " << step;
      EXPECT_TRUE(at::allclose(also_mine, statistics, 1e-12, 1e-12)) << "rank " << comm.rank() << ", step " << step;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, GradientReducerRanks, testing::Range(1, 6));

TEST(GradientReducer, TakesOnlyArenasThatLieInOnePiece) {
  const auto self = make_self_communicator();
  EXPECT_THROW(GradientReducer(*self, {at::zeros({4, 6}).t()}), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist
