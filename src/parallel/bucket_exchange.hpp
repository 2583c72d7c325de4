// Sums buckets over ranks while backward goes on. Two kinds: a communication thread on the host, a stream of its own on a GPU.
//
// Every rank starts the same buckets in the same order. What start() was given belongs to the exchange until finish().
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "comm/communicator.hpp"
#include "comm/host_all_reduce.hpp"

namespace vae_dist {

class BucketExchange {
 public:
  virtual ~BucketExchange() = default;

  /// Starts summing a contiguous tensor over the ranks, in place, behind those started before; returns at once. Throws as check_wire.
  virtual void start(const at::Tensor& bucket, Wire wire) = 0;

  /// Makes the caller (host) or the current stream (GPU) wait for all that was started. Throws what the exchange threw.
  virtual void finish() = 0;
};

/// A thread that drives `comm` (used by nobody else meanwhile), one bucket after the other.
std::unique_ptr<BucketExchange> make_host_exchange(Communicator& comm, SumOrder order);

/// Collectives on `stream` (a cudaStream_t, that of `comm`), ordered with the device's current stream by events. With Wire::bf16 NCCL
/// rounds after every addition, where the host rounds once.
std::unique_ptr<BucketExchange> make_device_exchange(Communicator& comm, SumOrder order, c10::Stream stream);

}  // namespace vae_dist
