// M_N, the weight of the KL divergence in the loss, as a function of the *global* batch.
//
// PyTorch-VAE passes kld_weight M_N = batch / dataset size to each loss to make the minibatch KL
// and the reconstruction commensurate. In data-parallel training "batch" must mean the global
// batch, not a rank's or a replica's part of it.
#pragma once

#include <cstdint>

namespace vae_dist::objective {

enum class Reduction {
  mean,  ///< mean squared error over batch and values, as in PyTorch-VAE
  sum,   ///< summed over an image's values, mean over the batch, in nats
};

enum class KldWeightRule {
  reference,  ///< weight * G / reference_batch: a weight tuned at reference_batch, scaled to G
  batch_over_dataset,  ///< G / N: PyTorch-VAE's first rule
  fixed,               ///< weight
  elbo,                ///< the exact bound: 1 for sum, 1 / D for mean
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

/// Returns M_N.
double kld_weight(const KldWeightTerms& terms);

/// Returns sigma_eff = sqrt(M_N * beta * D / 2), in data units: the standard deviation of the
/// Gaussian decoder that the loss implies under `mean`. Dividing SE / D + M_N * beta * KL by M_N *
/// beta gives SE / (2 sigma_eff^2) + KL. A latent direction pays for itself only if the data's
/// variance along it exceeds sigma_eff^2 (as in Lucas et al. 2019, "Don't blame the ELBO!", for the
/// linear VAE).
double effective_sigma(double kld_weight, double beta, std::int64_t image_values);

/// Returns sigma_eff under `sum` with a Gaussian of fixed sigma: sigma * sqrt(M_N * beta), in data
/// units.
double effective_sigma_of_sum(double kld_weight, double beta, double sigma);

}  // namespace vae_dist::objective
