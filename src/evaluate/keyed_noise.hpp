// Standard normal latents that depend only on (seed, purpose, sample, draw), whichever rank draws
// them.
#pragma once

#include <ATen/core/Tensor.h>

#include "base/keyed_random.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Returns [count, latent_values] on the model's device and in its type: row i is draw `draw` of
/// sample first + i.
at::Tensor keyed_noise(const model::LatentModel& model, base::Purpose purpose, std::uint64_t seed,
                       std::int64_t first, std::int64_t count, std::uint32_t draw = 0);

}  // namespace vae_dist::evaluate
