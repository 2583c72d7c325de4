// An all-reduce of the kind that gradients take, and messages between two ranks on the same way,
// for measuring.
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
  /// Among the ranks of a host communicator, which outlives this: over NCCL where `device` is a
  /// GPU. A collective.
  MeasuredSum(comm::HostCommunicator& ranks, c10::Device device);

  /// The seconds that the slowest rank takes for a vector of fp32 values with so many bytes, in
  /// each of some turns. A collective.
  std::vector<double> turns(std::int64_t bytes, int count);

  /// The seconds in which this rank and `peer` exchange vectors of so many bytes, both ways at
  /// once: median of `count` turns. Nothing for a rank without a peer. A collective.
  double exchange_seconds(std::optional<int> peer, std::int64_t bytes, int count);

 private:
  comm::HostCommunicator& ranks_;
  c10::Device device_;
  std::optional<c10::Stream> stream_;
  std::unique_ptr<comm::NcclCommunicator> nccl_;
  std::vector<std::byte> scratch_;
};

}  // namespace vae_dist::bench
