// What a model makes, as pictures: samples of the prior, and images beside their reconstructions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Images [B, C, H, W] of the model's range as bytes [B][H, W, C], clamped to the range.
std::vector<std::vector<std::uint8_t>> image_bytes(const at::Tensor& images, double low,
                                                   double high);

/// The mean images of z [N, latent_values], some at a time: [N, C, H, W] on the host.
at::Tensor decoded_images(model::LatentModel& model, const at::Tensor& z);

/// Where z is drawn from: N(0, temperature^2 I), or uniform in the box [-temperature,
/// temperature]^latent.
enum class Prior { normal, box };

/// `count` images decoded from z of the prior; sample i's z follows from (seed, i) alone. [count,
/// C, H, W] on the host.
at::Tensor sample_prior(model::LatentModel& model, std::int64_t count, std::uint64_t seed,
                        double temperature = 1.0, Prior prior = Prior::normal);

enum class Latent { mean, sample };

/// Images and their reconstructions in evaluation mode, from the posterior's mean or one draw of it
/// (keyed by seed and row); a point is its own mean.
struct Reconstructions {
  at::Tensor originals, reconstructions;  ///< [count, C, H, W] on the host
};

Reconstructions reconstruct(model::LatentModel& model, const data::SampleDataset& dataset,
                            std::int64_t first, std::int64_t count, const data::InputFormat& format,
                            Latent latent, std::uint64_t seed);

}  // namespace vae_dist::evaluate
