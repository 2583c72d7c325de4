// Finds the fastest way for each product of a run's convolutions, by measuring.
#pragma once

#include <c10/core/ScalarType.h>

#include <functional>
#include <vector>

#include "kernels/convolution_choice.hpp"

namespace vae_dist::kernels {

struct TimingOptions {
  /// Returns seconds from any beginning. A test passes a clock of its own.
  std::function<double()> clock;

  /// All measurements together should take about this long. Where they would take longer, they use
  /// part of each batch.
  double seconds = 1;

  /// A way must need at most this part of the time that the table's way needs, to be taken instead:
  /// smaller differences are noise.
  double clearly_faster = 0.95;
};

/// Returns for each shape the ways that took the least time here, with LibTorch's present number of
/// threads. Measures every way that can serve a direction, in turn; the table's way
/// (ways_from_table()) is kept unless another is clearly faster.
ConvolutionChoice::ByShape fastest_ways(const std::vector<ConvolutionShape>& shapes,
                                        at::ScalarType type, const TimingOptions& options);

}  // namespace vae_dist::kernels
