// What a rank exchanges gradients and batch-norm statistics through.
#pragma once

#include <memory>

#include "comm/communicator.hpp"
#include "parallel/bucket_exchange.hpp"
#include "train/device.hpp"

namespace vae_dist {

/// Both null in a world of one. Each has a communicator of its own, so that the statistics of a forward pass never meet gradients; on a
/// GPU both queue on one stream, in the order in which the host issues them, which is the same on every rank.
struct Exchanges {
  std::unique_ptr<Communicator> gradient_comm, statistics_comm;
  std::unique_ptr<BucketExchange> gradients, statistics;

  void abort() noexcept;  ///< gives up what is under way, from any thread
};

/// A collective on `host`. Its sums leave their traces in `log`.
Exchanges make_exchanges(const DeviceChoice& device, Communicator& host, SumOrder order, CollectiveLog& log);

}  // namespace vae_dist
