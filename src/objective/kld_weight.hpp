// M_N, the weight of the KL divergence in the loss, as a function of the *global* batch.
//
// PyTorch-VAE hands each loss a kld_weight M_N = batch / dataset size to make minibatch KL and
// reconstruction commensurate. In data-parallel training "batch" can only mean the global one:
// neither a rank's part nor a replica's.
#pragma once

#include <cstdint>

namespace vae_dist::objective {

enum class Reduction {
  mean,  ///< squared error over batch and values: PyTorch-VAE's
  sum,   ///< summed over an image's values, mean over the batch: nats
};

enum class KldWeightRule {
  reference,  ///< weight * G / batch: a weight tuned at some batch, scaled by the global batch
  batch_over_dataset,  ///< G / N: PyTorch-VAE's first rule
  fixed,               ///< weight
  elbo,                ///< 1 for sum, 1 / D for mean: the exact bound
};

struct KldWeightTerms {
  KldWeightRule rule = KldWeightRule::reference;
  double weight = 0.00025;
  std::int64_t reference_batch = 64;
  std::int64_t global_batch = 64;     ///< G
  std::int64_t training_samples = 1;  ///< N
  Reduction reduction = Reduction::mean;
  std::int64_t image_values = 1;  ///< D = C * H * W
};

/// M_N.
double kld_weight(const KldWeightTerms& terms);

/// Under `mean` the model is a Gaussian decoder with this standard deviation, sigma_eff = sqrt(M_N
/// * beta * D / 2), in data units: dividing SE / D + M_N * beta * KL by M_N * beta gives SE / (2
/// sigma_eff^2) + KL. A direction of latent space pays for itself only where the data's variance
/// along it exceeds sigma_eff^2 (as in Lucas et al. 2019, "Don't blame the ELBO!", for the linear
/// VAE).
double effective_sigma(double kld_weight, double beta, std::int64_t image_values);

/// The same under `sum` with a Gaussian of fixed sigma: sigma * sqrt(M_N * beta), in data units.
double effective_sigma_of_sum(double kld_weight, double beta, double sigma);

}  // namespace vae_dist::objective
