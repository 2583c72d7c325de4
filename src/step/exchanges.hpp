// The exchanges of gradients, batch-norm statistics and shares of the whole batch of a rank, and
// the memory of the gradients, which is registered with NCCL, or shared by the ranks of a node, if
// possible.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/node_sum.hpp"
#include "device/device_choice.hpp"
#include "parallel/bucket_exchange.hpp"

namespace vae_dist::step {

/// The memory of the gradients. NCCL sums in place, without its own buffers (over NVLink SHARP even
/// within the switch), if the memory comes from its allocator and every rank has registered it at
/// the same offsets. Either all ranks have such memory or none, so they agree on each step towards
/// it. If a step fails, gradients use ordinary device memory, and NCCL copies. So does the tree
/// sum, whose sends and receives have a separate buffer on one side.
///
/// On the CPU, if all ranks are on one node, the gradients are in memory that they share, where
/// they are summed without messages (comm/node_sum.hpp). If they cannot share memory, they use
/// ordinary memory and messages.
class GradientMemory {
 public:
  /// Not a collective. `all_ranks` outlives it.
  GradientMemory(const device::DeviceChoice& device, comm::SumOrder order,
                 comm::CpuCommunicator& all_ranks);

  /// Returns [count] zeros on the device; to be called once. A collective on `all_ranks` if NCCL
  /// exchanges the gradients, or if the ranks are on one node without GPUs.
  at::Tensor zeros(std::int64_t count, const at::TensorOptions& options);

  /// Registers the memory with `comm`, on all ranks or on none, and logs the kind of memory in use.
  /// A collective on `all_ranks`.
  void register_with(comm::NcclCommunicator& comm);

  /// Returns where ranks of one node sum on the CPU, or null.
  std::shared_ptr<comm::NodeSum> node_sum() const { return node_sum_; }

 private:
  bool everybody(bool mine);

  comm::CpuCommunicator& all_ranks_;
  bool wanted_, shared_;  // by NCCL; by the ranks of a node
  comm::Buffer memory_;   // empty: not from NCCL
  std::shared_ptr<comm::NodeSum> node_sum_;
};

/// The exchanges of a rank; null with a single rank, and all but the first unless they are wanted.
/// Each has its own communicator, so that the statistics of a forward pass never mix with
/// gradients. On a GPU all queue on one stream, in the order in which the host issues them, which
/// is the same on every rank.
struct Exchanges {
  std::unique_ptr<comm::Communicator> gradient_comm, statistics_comm, whole_batch_comm;
  std::unique_ptr<parallel::BucketExchange> gradients, statistics, whole_batch;
  std::vector<std::unique_ptr<comm::Communicator>> critic_comms;
  std::vector<std::unique_ptr<parallel::BucketExchange>> critics;  ///< gradients of each
};

struct ExchangeOptions {
  comm::SumOrder order;
  comm::NcclDeadlines deadlines;
  bool statistics = false;   ///< batch norm is `sync`; NCCL needs time and GPU memory to connect
  bool whole_batch = false;  ///< the objective looks at the whole batch
  std::int64_t critics = 0;  ///< networks beside the model
};

/// Makes the exchanges, and on GPUs registers `memory`. `memory` and `log`, which records the sums,
/// outlive the exchanges. A collective on `all_ranks`.
Exchanges make_exchanges(const device::DeviceChoice& device, comm::CpuCommunicator& all_ranks,
                         const ExchangeOptions& options, GradientMemory& memory,
                         comm::CollectiveLog& log);

}  // namespace vae_dist::step
