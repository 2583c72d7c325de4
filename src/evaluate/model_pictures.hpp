// Images that a model generates: samples of the prior, and reconstructions of images.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Converts images [B, C, H, W] in the model's range to bytes [B][H, W, C], clamped to the range.
std::vector<std::vector<std::uint8_t>> image_bytes(const at::Tensor& images, double low,
                                                   double high);

/// Returns the mean images of z [N, latent_values]: [N, C, H, W] on the CPU. Decodes a batch at a
/// time. `condition`: of each z, [N, Y], or of all, [1, Y]; undefined for a model that is not
/// conditional.
at::Tensor decoded_images(model::LatentModel& model, const at::Tensor& z,
                          const at::Tensor& condition = {});

/// What is shown of p(x|z).
enum class Values { mean, sample };

/// Returns a draw of p(x|z) for each decoded z, [B, C, space...] on the CPU; that of row i depends
/// only on (seed, first + i). `given`: as for Likelihood::draw().
at::Tensor drawn_values(const model::LatentModel& model, const model::Decoded& decoded,
                        const model::Sample& given, std::uint64_t seed, std::int64_t first);

/// Whether draws of the prior decode to samples of the data. Those of a quantized latent do not:
/// codes that are drawn independently of each other at every place decode to noise, and a learned
/// distribution of codes would be needed.
bool can_sample_prior(const model::LatentModel& model);

/// The distribution of z: N(0, temperature^2 I), or uniform in the box [-temperature,
/// temperature]^latent.
enum class Prior { normal, box };

/// Decodes `count` images from z of the prior; the z of sample i depends only on (seed, i), and so
/// do the `values`: E[x|z], or a draw of p(x|z). Returns
/// [count, C, space...] on the CPU. `condition`: as for decoded_images(). Throws BadInput unless
/// can_sample_prior().
at::Tensor sample_prior(model::LatentModel& model, std::int64_t count, std::uint64_t seed,
                        double temperature = 1.0, Prior prior = Prior::normal,
                        const at::Tensor& condition = {}, Values values = Values::mean);

enum class Latent { mean, sample };

/// Images and their reconstructions in evaluation mode, from the posterior mean or from one draw of
/// the posterior (keyed by seed and row). A point latent is its own mean.
struct Reconstructions {
  at::Tensor originals, reconstructions;  ///< [count, C, space...] on the CPU; NaN in an original
                                          ///< that is missing there
};

/// Returns E[x|z] of a batch, [B, C, space...] on the model's device: z is the posterior's mean or,
/// with `noise`, [B, latent_values], the draw that it makes.
at::Tensor reconstructed(model::LatentModel& model, const model::Sample& batch,
                         const at::Tensor& noise = {});

/// Returns how many samples of this shape are encoded and decoded at once, so that their
/// activations take bounded memory.
std::int64_t samples_at_once(const arrays::SampleShape& shape);

Reconstructions reconstruct(model::LatentModel& model, const data::SampleDataset& dataset,
                            std::int64_t first, std::int64_t count, const data::InputFormat& format,
                            Latent latent, std::uint64_t seed);

}  // namespace vae_dist::evaluate
