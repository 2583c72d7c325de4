// Standard normal latents that follow from (seed, purpose, sample, draw) alone, whoever draws them.
#pragma once

#include <ATen/core/Tensor.h>

#include "base/keyed_random.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// [count, latent_values] on the model's device and of its type: row i is the draw `draw` of sample
/// first + i.
at::Tensor keyed_noise(const model::LatentModel& model, base::Purpose purpose, std::uint64_t seed,
                       std::int64_t first, std::int64_t count, std::uint32_t draw = 0);

}  // namespace vae_dist::evaluate
