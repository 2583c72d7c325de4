// The experiments of the lesson: the three systems on the way from the autoencoder to the VAE, and
// what each of them shows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "device/device_choice.hpp"
#include "evaluate/coverage.hpp"
#include "lesson/short_training.hpp"
#include "lesson/two_latents.hpp"

namespace vae_dist::lesson {

struct LessonSizes {
  std::int64_t long_steps = 1500;  ///< of the autoencoder and the VAE that are examined closely
  std::int64_t short_steps = 300;  ///< of each point of a comparison
  std::int64_t compared = 5000;    ///< images of each kind for coverage
};

/// One system: its training curve, its codes of images, and samples decoded from the prior.
struct SystemResult {
  config::Config config;
  std::vector<ShortTraining::Point> curve;
  evaluate::Evaluation evaluation;
  at::Tensor reconstructions;       ///< [n, C, H, W]
  at::Tensor samples, box_samples;  ///< [n, C, H, W], from N(0, I) and from the box [-1, 1]
  std::vector<double> code_x,
      code_y;  ///< the two dimensions of the code with the largest variance, one point per image
  double code_deviation = 0;    ///< root mean square of all codes: 1 for N(0, I)
  evaluate::Coverage coverage;  ///< of samples of N(0, I), on pixels
};

/// One decoder without an encoder.
struct DecoderResult {
  std::int64_t latent_dim = 0;
  std::int64_t draws = 0;
  double effective_samples = 0;
  std::vector<evaluate::Evaluation::LogP> log_p;  ///< for increasing numbers of draws
  at::Tensor samples;
};

/// One VAE of a comparison.
struct WeightResult {
  double weight = 0;  ///< beta, or M_N
  double effective_sigma = 0;
  double reconstruction = 0, kld_nats = 0, mse = 0;
};

/// One VAE of the comparison of widths of p(x|z).
struct WidthResult {
  std::string sigma;  ///< what it is, for a table
  double elbo_nats = 0, kld_nats = 0, mse = 0;
};

/// The sigma(z) that a decoder predicts for whole images.
struct PredictedWidths {
  at::Tensor narrowest,
      widest;  ///< [n, C, H, W]: images with the smallest and the largest sigma(z)
  std::vector<double> narrowest_sigma, widest_sigma;
  /// Means of groups of images that are ordered by sigma(z): sigma(z), and the root mean square of
  /// the errors of their reconstructions.
  std::vector<double> sigma, error;
};

struct LessonResults {
  std::string data;  ///< description of the training data
  arrays::SampleShape shape;
  std::int64_t training_images = 0;
  double top_variance = 0, mean_image_mse = 0;
  at::Tensor originals;  ///< [n, C, H, W]
  SystemResult autoencoder, vae;
  evaluate::Coverage real_coverage;        ///< of other real images: the best to expect
  evaluate::Coverage mean_image_coverage;  ///< of the mean image, repeated
  std::vector<DecoderResult> decoders;
  TwoLatentResult two_latents;
  WeightedTraining weighted;  ///< the same VAE, trained with the importance-weighted bound
  std::vector<WidthResult> widths;
  PredictedWidths predicted_widths;
  std::vector<WeightResult> betas, kld_weights;
};

/// Runs all experiments. Calls `say` with the name of each one that begins, one call at a time.
/// `threads`: concurrent trainings, each on one thread; 1 on a GPU. The results do not depend on
/// it. Both datasets must be in memory. Throws BadInput if there are too few images.
LessonResults run_experiments(const data::SampleDataset& training,
                              const data::SampleDataset& held_out, const LessonSizes& sizes,
                              const device::DeviceChoice& device, int threads, std::int64_t seed,
                              const std::function<void(const std::string&)>& say);

}  // namespace vae_dist::lesson
