// What a rank exchanges gradients and batch-norm statistics through, and the memory that gradients
// lie in, as NCCL likes it best.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "comm/communicator.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/device_choice.hpp"
#include "parallel/bucket_exchange.hpp"

namespace vae_dist::step {

/// NCCL can sum in place, without its own buffers (over NVLink SHARP even within the switch), what
/// lies in memory from its allocator that every rank has registered at the same offsets. All ranks
/// must have it or none, so each step towards it is agreed on; where it fails, gradients lie in
/// ordinary device memory, and NCCL copies. The tree's sends and receives have a buffer of their
/// own on one side, so they stay with ordinary memory.
class GradientMemory {
 public:
  /// Not a collective. `host` outlives it.
  GradientMemory(const device::DeviceChoice& device, comm::SumOrder order,
                 comm::HostCommunicator& host);

  /// [count] zeros on the device; called once. A collective on `host` where NCCL carries the
  /// gradients.
  at::Tensor zeros(std::int64_t count, const at::TensorOptions& options);

  /// Registers that memory with the communicator, on all ranks or none, and logs how gradients lie.
  /// A collective on `host`.
  void register_with(comm::NcclCommunicator& comm);

 private:
  bool everybody(bool mine);

  comm::HostCommunicator& host_;
  bool wanted_;
  comm::Buffer memory_;  // empty: ordinary memory
};

/// Both null in a world of one. Each has a communicator of its own, so that the statistics of a
/// forward pass never meet gradients; on a GPU both queue on one stream, in the order in which the
/// host issues them, which is the same on every rank.
struct Exchanges {
  std::unique_ptr<comm::Communicator> gradient_comm, statistics_comm;
  std::unique_ptr<parallel::BucketExchange> gradients, statistics;
};

/// On GPUs the gradients' memory is registered. It outlives the exchanges, as does `log`, in which
/// sums leave their traces. A collective on `host`.
Exchanges make_exchanges(const device::DeviceChoice& device, comm::HostCommunicator& host,
                         comm::SumOrder order, const comm::NcclDeadlines& deadlines,
                         GradientMemory& memory, comm::CollectiveLog& log);

}  // namespace vae_dist::step
