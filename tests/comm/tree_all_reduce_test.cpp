#include "comm/tree_all_reduce.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "collective_checks.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::comm {
namespace {

// Values whose float sum depends on the order of addition.
float value_of(int rank, std::size_t i) {
  return static_cast<float>(std::sin(static_cast<double>((rank + 1) * (i + 1))) *
                            std::pow(10.0, rank % 5));
}

float tree_sum(int first, int count, std::size_t i) {
  return count == 1 ? value_of(first, i)
                    : tree_sum(first, count / 2, i) + tree_sum(first + count / 2, count / 2, i);
}

class TreeAllReduce : public testing::TestWithParam<std::tuple<int, std::size_t>> {};

TEST_P(TreeAllReduce, IsTheBinaryTreeOverRanksBitForBitOnEveryRank) {
  const auto [ranks, count] = GetParam();
  run_thread_ranks(ranks, [&, ranks = ranks, count = count](CpuCommunicator& comm) {
    std::vector<float> values(count), scratch(count / 2 + 1);
    for (std::size_t i = 0; i < count; ++i) values[i] = value_of(comm.rank(), i);
    tree_all_reduce_sum(
        comm, {values.data(), static_cast<std::int64_t>(count), DataType::float32},
        {scratch.data(), static_cast<std::int64_t>(scratch.size()), DataType::float32});
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(values[i], tree_sum(0, ranks, i)) << "element " << i << " on rank " << comm.rank();
  });
}

INSTANTIATE_TEST_SUITE_P(SizesAndCounts, TreeAllReduce,
                         testing::Combine(testing::Values(1, 2, 4, 8),
                                          testing::Values<std::size_t>(0, 1, 2, 3, 7, 1000)));

TEST(TreeAllReduce, RefusesNumbersOfRanksThatMakeNoTree) {
  run_thread_ranks(3, [](CpuCommunicator& comm) {
    double value = 1, scratch = 0;
    EXPECT_THROW(
        tree_all_reduce_sum(comm, {&value, 1, DataType::float64}, {&scratch, 1, DataType::float64}),
        std::logic_error);
  });
}

TEST(ThreadCommunicator, ExchangesBetweenPairsOfAnyDistance) {
  for (int ranks = 1; ranks <= 8; ++ranks)
    run_thread_ranks(ranks, [](CpuCommunicator& comm) { check_exchanges(comm); });
}

TEST(ThreadCommunicator, DuplicatesAreCommunicatorsOfTheirOwn) {
  for (int ranks = 1; ranks <= 4; ++ranks)
    run_thread_ranks(ranks, [](CpuCommunicator& comm) { check_duplicates(comm); });
}

TEST(ThreadCommunicator, DuplicatesNeverMixTheirMessages) {
  run_thread_ranks(4, [](CpuCommunicator& comm) {
    const auto other = comm.duplicate();
    std::int64_t mine = comm.rank(), theirs = 10 * comm.rank();
    comm.all_reduce_sum({&mine, 1, DataType::int64});
    other->all_reduce_sum({&theirs, 1, DataType::int64});
    EXPECT_EQ(mine, 6);
    EXPECT_EQ(theirs, 60);
  });
}

}  // namespace
}  // namespace vae_dist::comm
