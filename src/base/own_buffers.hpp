// Buffers that a forward of a network changes by itself in training mode, such as the running
// statistics of a network from a file, by what a step makes of the changes of its replicas.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::base {

/// `Tensor` is at::Tensor: this room does without LibTorch.
template <typename Tensor>
struct OwnBuffers {
  using Named = std::vector<std::pair<std::string, Tensor>>;

  Named averaged;  ///< floating-point: the changes of replicas are averaged
  Named summed;    ///< the changes are added up
  Named counters;  ///< integers, which all replicas must change by the same number
};

}  // namespace vae_dist::base
