#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/thread_communicator.hpp"
#include "step/exchanges.hpp"

namespace vae_dist::step {
namespace {

// That of the tree needs no agreement, so rank 0 can call it alone. tests/gpu tests the memory from
// NCCL.
TEST(GradientMemory, IsOrdinaryWhereNcclDoesNotSum) {
  device::DeviceChoice cpu, gpu;
  cpu.backend = device::Backend::mpi;
  gpu.backend = device::Backend::nccl;
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    if (comm.rank() != 0) return;
    const at::Tensor zeros = at::zeros({100}, at::kDouble);
    GradientMemory memory(gpu, comm::SumOrder::tree, comm);
    EXPECT_TRUE(memory.zeros(100, at::kDouble).equal(zeros));
    EXPECT_EQ(memory.node_sum(), nullptr);
  });
  const auto alone = comm::make_self_communicator();
  GradientMemory memory(cpu, comm::SumOrder::fast, *alone);
  EXPECT_TRUE(memory.zeros(100, at::kDouble).equal(at::zeros({100}, at::kDouble)));
  EXPECT_EQ(memory.node_sum(), nullptr) << "a single rank has nobody to share with";
}

TEST(GradientMemory, IsSharedByTheRanksOfANodeAndOutlivesWhatMadeIt) {
  device::DeviceChoice cpu;
  cpu.backend = device::Backend::mpi;
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    at::Tensor gradients;
    {
      GradientMemory memory(cpu, comm::SumOrder::fast, comm);
      gradients = memory.zeros(1000, at::kDouble);
      EXPECT_TRUE(gradients.equal(at::zeros({1000}, at::kDouble)));
      ASSERT_NE(memory.node_sum(), nullptr);
      EXPECT_EQ(gradients.data_ptr(), memory.node_sum()->data());
    }
    gradients.fill_(comm.rank() + 1.0);
    comm.barrier();
    EXPECT_TRUE(gradients.equal(at::full({1000}, comm.rank() + 1.0, at::kDouble)));
  });
}

// On a GPU each is an NCCL communicator, and tests/gpu exchanges through them.
TEST(Exchanges, OfStatisticsAreMadeOnlyWhereTheyAreWanted) {
  for (const bool wanted : {false, true})
    comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
      comm::CollectiveLog log;
      GradientMemory memory({}, comm::SumOrder::fast, comm);
      const Exchanges made =
          make_exchanges({}, comm, {comm::SumOrder::fast, {}, wanted}, memory, log);
      EXPECT_TRUE(made.gradients && made.gradient_comm);
      EXPECT_EQ(made.statistics != nullptr, wanted);
      EXPECT_EQ(made.statistics_comm != nullptr, wanted);
    });
}

}  // namespace
}  // namespace vae_dist::step
