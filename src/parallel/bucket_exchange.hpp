// Sums buckets over the ranks while backward runs: on a communication thread of the host, or on a
// separate stream of a GPU.
//
// Every rank must start the same buckets in the same order. A tensor passed to start() belongs to
// the exchange until finish().
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "comm/collective_log.hpp"
#include "comm/communicator.hpp"
#include "comm/cpu_all_reduce.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/node_sum.hpp"
#include "device/progress_marks.hpp"

namespace vae_dist::parallel {

class BucketExchange {
 public:
  virtual ~BucketExchange() = default;

  /// Starts to sum a contiguous tensor over the ranks in place, after all sums started earlier, and
  /// returns at once. `what` names the sum in the log of collectives: "bucket 2". Throws as
  /// check_wire() does.
  virtual void start(const at::Tensor& bucket, comm::Wire wire, const std::string& what) = 0;

  /// Makes the caller (host) or the current stream (GPU) wait for all started sums. Rethrows an
  /// error of the exchange.
  virtual void finish() = 0;

  /// From now on, each sum passes one mark before and one mark after it, on its stream. Null stops
  /// this. `marks` must outlive this use. A no-op on the host, which knows the state of its sums.
  virtual void leave_marks(device::ProgressMarks*) {}
};

/// The log in which an exchange records its sums, and the label of the records.
struct ExchangeLog {
  comm::CollectiveLog& log;
  std::string label;  ///< "gradients"
};

/// Makes an exchange whose thread sums one bucket after the other through `comm`, which nothing
/// else may use meanwhile. With `node_sum`, whose ranks are those of `comm`, it sums there what is
/// sent exactly: whatever the order, the bits are those of a fixed tree. A log entry lasts as long
/// as its sum.
std::unique_ptr<BucketExchange> make_cpu_exchange(
    comm::CpuCommunicator& comm, comm::SumOrder order, const ExchangeLog& log,
    std::shared_ptr<comm::NodeSum> node_sum = nullptr);

/// Makes an exchange that runs collectives on `stream` (the cudaStream_t of `comm`), which events
/// order with the device's current stream. With Wire::bf16 NCCL rounds after every addition; the
/// host rounds once. The host does not learn when a sum ends, so log entries last until finish().
/// A CUDA graph may capture any start() up to the next finish(), if the same sums have run outside
/// of a capture before: the exchange allocates its buffers then and keeps them.
std::unique_ptr<BucketExchange> make_device_exchange(comm::NcclCommunicator& comm,
                                                     comm::SumOrder order, c10::Stream stream,
                                                     const ExchangeLog& log);

}  // namespace vae_dist::parallel
