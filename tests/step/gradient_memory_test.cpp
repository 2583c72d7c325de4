#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/thread_communicator.hpp"
#include "step/exchanges.hpp"

namespace vae_dist::step {
namespace {

// This needs no agreement, so rank 0 can call it alone. tests/gpu tests the memory from NCCL.
TEST(GradientMemory, IsOrdinaryWhereNcclDoesNotSum) {
  device::DeviceChoice cpu, gpu;
  cpu.backend = device::Backend::mpi;
  gpu.backend = device::Backend::nccl;
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    if (comm.rank() != 0) return;
    const at::Tensor zeros = at::zeros({100}, at::kDouble);
    EXPECT_TRUE(
        GradientMemory(cpu, comm::SumOrder::fast, comm).zeros(100, at::kDouble).equal(zeros));
    EXPECT_TRUE(
        GradientMemory(gpu, comm::SumOrder::tree, comm).zeros(100, at::kDouble).equal(zeros));
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
