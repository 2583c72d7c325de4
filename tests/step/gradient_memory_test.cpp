#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/thread_communicator.hpp"
#include "step/exchanges.hpp"

namespace vae_dist::step {
namespace {

// Nothing is agreed on then: rank 0 comes through alone. What NCCL gives is tested in tests/gpu.
TEST(GradientMemory, IsOrdinaryWhereNcclDoesNotSum) {
  device::DeviceChoice cpu, gpu;
  cpu.backend = device::Backend::mpi;
  gpu.backend = device::Backend::nccl;
  comm::run_thread_ranks(2, [&](comm::HostCommunicator& comm) {
    if (comm.rank() != 0) return;
    const at::Tensor zeros = at::zeros({100}, at::kDouble);
    EXPECT_TRUE(
        GradientMemory(cpu, comm::SumOrder::fast, comm).zeros(100, at::kDouble).equal(zeros));
    EXPECT_TRUE(
        GradientMemory(gpu, comm::SumOrder::tree, comm).zeros(100, at::kDouble).equal(zeros));
  });
}

}  // namespace
}  // namespace vae_dist::step
