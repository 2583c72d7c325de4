// Counts the arithmetic of a step where it happens: in the convolutions and matrix products that
// are called, forward and backward.
#pragma once

#include <cstdint>

namespace vae_dist::bench {

/// Counts the convolutions and matrix products of all threads of this process while it lives, with
/// two operations per multiply-add; what train.recompute computes again counts again. The rest of a
/// step (batch norm, activations, the optimizer) is small in comparison and is left out, as in any
/// published FLOP count. Only one may live at a time: a second one throws std::logic_error.
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
