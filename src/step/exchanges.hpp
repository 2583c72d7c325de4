// What a rank exchanges gradients and batch-norm statistics through.
#pragma once

#include <memory>

#include "comm/communicator.hpp"
#include "comm/nccl_communicator.hpp"
#include "parallel/bucket_exchange.hpp"
#include "device/device_choice.hpp"
#include "step/gradient_memory.hpp"

namespace vae_dist::step {

/// Both null in a world of one. Each has a communicator of its own, so that the statistics of a forward pass never meet gradients; on a
/// GPU both queue on one stream, in the order in which the host issues them, which is the same on every rank.
struct Exchanges {
  std::unique_ptr<comm::Communicator> gradient_comm, statistics_comm;
  std::unique_ptr<parallel::BucketExchange> gradients, statistics;
};

/// On GPUs the gradients' memory is registered. It outlives the exchanges, as does `log`, in which sums leave their traces. A collective
/// on `host`.
Exchanges make_exchanges(const device::DeviceChoice& device, comm::HostCommunicator& host, comm::SumOrder order, const comm::NcclDeadlines& deadlines, GradientMemory& memory, comm::CollectiveLog& log);

}  // namespace vae_dist::step
