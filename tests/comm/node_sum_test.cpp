#include "comm/node_sum.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "base/error.hpp"
#include "collective_checks.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::comm {
namespace {

class NodeSumOfRanks : public testing::TestWithParam<int> {};

TEST_P(NodeSumOfRanks, EqualsAStraightSumInPlaceAndByCopies) {
  run_thread_ranks(GetParam(), check_node_sums);
}

TEST_P(NodeSumOfRanks, LeavesTheBitsOfTheTreeOnEveryRank) {
  run_thread_ranks(GetParam(), check_node_sum_bits);
}

INSTANTIATE_TEST_SUITE_P(Ranks, NodeSumOfRanks, testing::Range(1, 9));

TEST(NodeSum, RefusesBfloat16) {
  run_thread_ranks(2, [](CpuCommunicator& comm) {
    NodeSum node(comm, 64);
    EXPECT_THROW(node.sum({node.data(), 8, DataType::bfloat16}), std::invalid_argument);
  });
}

TEST(NodeSum, ThatWaitsForARankThatFailedIsAborted) {
  std::atomic<int> summing{0}, aborted{0};
  const auto body = [&](CpuCommunicator& comm) {
    NodeSum node(comm, 64);
    if (comm.rank() == 1) {
      while (summing < 2) std::this_thread::yield();
      throw std::runtime_error("rank 1 failed");
    }
    ++summing;
    float value = 1;
    try {
      node.sum({&value, 1, DataType::float32});
    } catch (const base::CommunicationFailure&) {
      ++aborted;
    }
  };
  EXPECT_THROW(run_thread_ranks(3, body), std::runtime_error);
  EXPECT_EQ(aborted, 2);
}

}  // namespace
}  // namespace vae_dist::comm
