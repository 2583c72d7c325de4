// The Gaussian likelihood N(output, sigma^2), and where its sigma comes from.
#pragma once

namespace vae_dist::objective {

enum class Variance {
  fixed,    ///< given
  learned,  ///< one log sigma, a parameter
  optimal,  ///< sigma^2 = the batch's mean squared error, where the likelihood is largest (Rybkin
            ///< et al. 2021, "Simple and Effective VAE Training with Calibrated Decoders", eq. 6);
            ///< evaluation uses a running mean of it
  predicted,  ///< log sigma^2 of every value, by the decoder's second head
};

/// The keys that `objective` has for the likelihood "gaussian".
struct GaussianSettings {
  Variance variance = Variance::fixed;
  double sigma = 1.0;  ///< of Variance::fixed, in data units
};

}  // namespace vae_dist::objective
