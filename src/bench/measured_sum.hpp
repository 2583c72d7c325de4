// Measures all-reduces as gradients use them, and messages between two ranks over the same
// transport.
#pragma once

#include <c10/core/Stream.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/nccl_communicator.hpp"

namespace vae_dist::bench {

class MeasuredSum {
 public:
  /// Measures among `ranks`, which must outlive this object; over NCCL if `device` is a GPU. A
  /// collective.
  MeasuredSum(comm::CpuCommunicator& ranks, c10::Device device);

  /// Returns the seconds that the slowest rank takes for a vector of `bytes` of fp32 values, in
  /// each of `count` turns. A collective.
  std::vector<double> turns(std::int64_t bytes, int count);

  /// Returns the seconds in which this rank and `peer` exchange vectors of `bytes`, in both
  /// directions at once: the median of `count` turns. 0 for a rank without a peer. A collective.
  double exchange_seconds(std::optional<int> peer, std::int64_t bytes, int count);

 private:
  comm::CpuCommunicator& ranks_;
  c10::Device device_;
  std::optional<c10::Stream> stream_;
  std::unique_ptr<comm::NcclCommunicator> nccl_;
  std::vector<std::byte> scratch_;
};

}  // namespace vae_dist::bench
