// The pictures that a run leaves of what its model has learned.
#pragma once

#include "train/loop_parts.hpp"

namespace vae_dist::train {

/// Samples, reconstructions and traversals as `pictures` asks for, of the weights after `step`
/// steps, in the run's directory. One that cannot be made is a warning. By rank 0 alone.
void write_pictures(const LoopParts& parts, std::int64_t step);

}  // namespace vae_dist::train
