// Sums the ranks' gradients. Losses are divided by the number of replicas before backward, so the sum is the global mean.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "comm/communicator.hpp"

namespace vae_dist {

class GradientReducer {
 public:
  /// `arenas`: contiguous tensors, summed in place by finish(), in this order on every rank.
  GradientReducer(Communicator& comm, std::vector<at::Tensor> arenas);

  /// After the last backward of the step: on return (on a GPU: behind it, in stream order) the arenas hold the sums over all ranks.
  void finish();

  Seconds last_wait() const { return last_wait_; }                 ///< what finish() waited, on the host
  std::uint64_t bytes_per_step() const { return bytes_per_step_; } ///< summed per step

 private:
  Communicator& comm_;
  std::vector<at::Tensor> arenas_;
  std::uint64_t bytes_per_step_ = 0;
  Seconds last_wait_{0};
};

}  // namespace vae_dist
