// The memory that gradients lie in, as NCCL likes it best.
//
// NCCL can sum in place, without its own buffers (over NVLink SHARP even within the switch), what lies in memory from its allocator that every rank has
// registered at the same offsets. All ranks must have it or none, so each step towards it is agreed on; where it fails, gradients lie in
// ordinary device memory, and NCCL copies. The tree's sends and receives have a buffer of their own on one side, so they stay with ordinary memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "comm/nccl_communicator.hpp"
#include "parallel/bucket_exchange.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::step {

class GradientMemory {
 public:
  /// Not a collective. `host` outlives it.
  GradientMemory(const device::DeviceChoice& device, comm::SumOrder order, comm::HostCommunicator& host);

  /// [count] zeros on the device; called once. A collective on `host` where NCCL carries the gradients.
  at::Tensor zeros(std::int64_t count, const at::TensorOptions& options);

  /// Registers that memory with the communicator, on all ranks or none, and logs how gradients lie. A collective on `host`.
  void register_with(comm::NcclCommunicator& comm);

 private:
  bool everybody(bool mine);

  comm::HostCommunicator& host_;
  bool wanted_;
  comm::Buffer memory_;  // empty: ordinary memory
};

}  // namespace vae_dist::step
