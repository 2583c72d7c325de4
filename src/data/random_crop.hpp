// Random crops: the part of a sample that a step sees, drawn anew for each sample and epoch.
#pragma once

#include <cstdint>
#include <vector>

#include "arrays/sample_layout.hpp"

namespace vae_dist::data {

/// Returns a window of this size that begins at a place drawn by (seed, epoch, sample), all places
/// being equally likely. `size` is at most `space` along each axis.
arrays::SpaceWindow random_window(const std::vector<std::int64_t>& space,
                                  const std::vector<std::int64_t>& size, std::uint64_t seed,
                                  std::int64_t epoch, std::int64_t sample);

/// Returns the window of this size in the middle.
arrays::SpaceWindow middle_window(const std::vector<std::int64_t>& space,
                                  const std::vector<std::int64_t>& size);

}  // namespace vae_dist::data
