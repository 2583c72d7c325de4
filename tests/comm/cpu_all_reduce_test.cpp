#include "comm/cpu_all_reduce.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "collective_checks.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::comm {
namespace {

class HostAllReduce : public testing::TestWithParam<int> {};

TEST_P(HostAllReduce, EqualsAStraightSumInEveryModeAndType) {
  run_thread_ranks(GetParam(), check_host_sums);
}

TEST_P(HostAllReduce, LeavesTheSameBitsOnEveryRankAndEveryTime) {
  run_thread_ranks(GetParam(), check_host_sums_have_one_result);
}

TEST_P(HostAllReduce, RoundedToBfloat16IsAsCloseAsPromised) {
  run_thread_ranks(GetParam(), check_bf16_error);
}

INSTANTIATE_TEST_SUITE_P(Ranks, HostAllReduce, testing::Range(1, 9));

TEST(HostAllReduce, RefusesARoundedTreeAndToRoundAnythingButFp32) {
  EXPECT_THROW(check_wire(DataType::float32, SumOrder::tree, Wire::bf16), std::invalid_argument);
  EXPECT_THROW(check_wire(DataType::float64, SumOrder::fast, Wire::bf16), std::invalid_argument);
  EXPECT_NO_THROW(check_wire(DataType::float32, SumOrder::fast, Wire::bf16));
  EXPECT_NO_THROW(check_wire(DataType::float64, SumOrder::tree, Wire::exact));
  run_thread_ranks(3, [](CpuCommunicator& comm) {
    double value = 1;
    std::vector<std::byte> scratch;
    EXPECT_THROW(all_reduce_on_cpu(comm, {&value, 1, DataType::float64}, SumOrder::fast, Wire::bf16,
                                   scratch),
                 std::invalid_argument);
    EXPECT_THROW(all_reduce_on_cpu(comm, {&value, 1, DataType::float64}, SumOrder::tree,
                                   Wire::exact, scratch),
                 std::logic_error);
  });
}

TEST(HostAllReduce, OfOneRankChangesNothing) {
  run_thread_ranks(1, [](CpuCommunicator& comm) {
    float value = 1.0F / 3;
    std::vector<std::byte> scratch;
    all_reduce_on_cpu(comm, {&value, 1, DataType::float32}, SumOrder::fast, Wire::bf16, scratch);
    EXPECT_EQ(value, 1.0F / 3) << "nothing travelled";
  });
}

}  // namespace
}  // namespace vae_dist::comm
