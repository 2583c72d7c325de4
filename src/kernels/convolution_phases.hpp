// Which pixels meet which weights: the index arithmetic of convolutions, without any tensor.
//
// A convolution links each position i of a small image to the positions s * i - p + k of a large
// one, k = 0 .. kernel - 1. Downwards (a convolution's forward; the input's gradient of a
// transposed one), i gathers from all k. Upwards, the position o of the large image gathers from
// those i for which s * i - p + k = o: only the k that are congruent to o + p modulo s. So upwards
// there are s phases along each axis, each an ordinary convolution of stride 1 with a part of the
// kernel, whose results interleave, and nothing is ever multiplied by an inserted zero.
#pragma once

#include <cstdint>
#include <vector>

namespace vae_dist::kernels {

/// One tap of a phase along one axis: output i of the phase gathers from input step * i + offset,
/// weighted by entry `k` of the kernel.
struct Tap {
  std::int64_t k, offset;
};

/// The outputs first + every * i, i = 0 .. count - 1, along one axis.
struct Phase {
  std::int64_t first, every, count;
  std::int64_t step;  ///< from the input of one output to that of the next
  std::vector<Tap> taps;
};

/// Returns the only phase from a large image to a small one of `small` positions.
std::vector<Phase> phases_down(std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                               std::int64_t small);

/// Returns the phases from a small image to a large one of `large` positions. Together they have
/// each of its positions once; a phase may have no taps (stride > kernel).
std::vector<Phase> phases_up(std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                             std::int64_t large);

}  // namespace vae_dist::kernels
