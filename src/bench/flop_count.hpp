// Counts the arithmetic of a step where it happens: in the convolutions and matrix products that
// are called, forward and backward.
#pragma once

#include <cstdint>

namespace vae_dist::bench {

/// While it lives, convolutions and matrix products of all threads of this process are counted, two
/// operations a multiplication with its addition; what else a step does (batch norm, activations,
/// the optimizer) is little beside them, and left out, as in any published FLOP count. One at a
/// time: a second one throws std::logic_error.
class FlopCount {
 public:
  FlopCount();
  ~FlopCount();
  FlopCount(const FlopCount&) = delete;
  FlopCount& operator=(const FlopCount&) = delete;

  double operations() const;

 private:
  std::uint64_t callback_;
};

}  // namespace vae_dist::bench
