// Draws pictures of what the model of a run has learned.
#pragma once

#include "train/loop_parts.hpp"

namespace vae_dist::train {

/// Writes samples, reconstructions and traversals of the weights after `step` steps, as requested
/// by `pictures`, into the run's directory. Logs a warning for each picture that cannot be drawn.
/// Only rank 0 calls it.
void write_pictures(const LoopParts& parts, std::int64_t step);

}  // namespace vae_dist::train
