// Sums buckets over ranks while backward goes on. Two kinds: a communication thread on the host, a
// stream of its own on a GPU.
//
// Every rank starts the same buckets in the same order. What start() was given belongs to the
// exchange until finish().
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "comm/collective_log.hpp"
#include "comm/communicator.hpp"
#include "comm/host_all_reduce.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/progress_marks.hpp"

namespace vae_dist::parallel {

class BucketExchange {
 public:
  virtual ~BucketExchange() = default;

  /// Starts summing a contiguous tensor over the ranks, in place, behind those started before;
  /// returns at once. `what` names it in the log of collectives: "bucket 2". Throws as check_wire.
  virtual void start(const at::Tensor& bucket, comm::Wire wire, const std::string& what) = 0;

  /// Makes the caller (host) or the current stream (GPU) wait for all that was started. Throws what
  /// the exchange threw.
  virtual void finish() = 0;

  /// From now on each sum passes a mark before and one after it, on the stream that it runs on
  /// (null: no more). On a GPU only: the host knows its own sums. `marks` outlive that.
  virtual void leave_marks(device::ProgressMarks*) {}
};

/// Where an exchange leaves its traces, and under which label.
struct ExchangeLog {
  comm::CollectiveLog& log;
  std::string label;  ///< "gradients"
};

/// A thread that drives `comm` (used by nobody else meanwhile), one bucket after the other. An
/// entry of the log lasts as long as the sum.
std::unique_ptr<BucketExchange> make_host_exchange(comm::HostCommunicator& comm,
                                                   comm::SumOrder order, const ExchangeLog& log);

/// Collectives on `stream` (a cudaStream_t, that of `comm`), ordered with the device's current
/// stream by events. With Wire::bf16 NCCL rounds after every addition, where the host rounds once.
/// The host does not learn when a sum ends: entries of the log last until finish(). May be captured
/// in a CUDA graph, from any start() to the finish() behind it, once it has done the same outside:
/// it keeps its own memory.
std::unique_ptr<BucketExchange> make_device_exchange(comm::NcclCommunicator& comm,
                                                     comm::SumOrder order, c10::Stream stream,
                                                     const ExchangeLog& log);

}  // namespace vae_dist::parallel
