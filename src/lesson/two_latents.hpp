// A VAE with so few latent dimensions that everything about it can be integrated: how much the
// bound lacks, for which images, how that changes with training and with the importance-weighted
// bound, and how noisy the estimators of its gradient are.
#pragma once

#include <cstdint>
#include <vector>

#include "lesson/bound_gap.hpp"
#include "lesson/gradient_noise.hpp"
#include "lesson/short_training.hpp"

namespace vae_dist::lesson {

/// Means over images, in nats.
struct BoundPoint {
  double at = 0;  ///< the training step, or the number of draws K
  double log_p = 0, bound = 0;
  double median_gap = 0;  ///< of log p(x) - bound, which few images cannot hold up

  double gap() const { return log_p - bound; }
};

/// An image, its true posterior and q(z|x).
struct ShownPosterior {
  at::Tensor image;  ///< [1, C, H, W]
  PosteriorMaps maps;
  double kl = 0;
};

struct TwoLatentResult {
  double sigma = 0;                             ///< of the decoder
  std::int64_t images = 0;                      ///< held-out ones that are integrated
  double log_p = 0, elbo = 0, gap = 0, kl = 0;  ///< means over images, nats
  double least_kl = 0, largest_kl = 0;          ///< of an image
  double largest_difference = 0;  ///< of an image's gap and KL(q(z|x) || p(z|x)), computed apart
  double grid_error = 0;          ///< BoundGap::grid_error
  std::vector<ShownPosterior> closest, farthest;  ///< by KL(q(z|x) || p(z|x))
  std::vector<BoundPoint> training;               ///< the ELBO at growing numbers of steps
  std::vector<BoundPoint> weighted;  ///< the importance-weighted bound of K draws, trained as a VAE
  GradientNoise gradient;
};

/// Trains a VAE for `steps` steps and examines it on `images` ([B, C, H, W] on the CPU, held out).
/// `config` has two latent dimensions and a Gaussian of fixed sigma.
TwoLatentResult examine_two_latents(const config::Config& config,
                                    const data::SampleDataset& training, const at::Tensor& images,
                                    std::int64_t steps, const device::DeviceChoice& device);

/// A VAE that was trained with the importance-weighted bound of `draws` draws, a power of two;
/// means over images.
struct WeightedTraining {
  std::int64_t draws = 0;
  double log_p = 0, elbo = 0, bound = 0;  ///< `bound`: of the draws that it was trained with
};

WeightedTraining train_weighted(config::Config config, std::int64_t draws,
                                const data::SampleDataset& training, const at::Tensor& images,
                                std::int64_t steps, const device::DeviceChoice& device);

}  // namespace vae_dist::lesson
