// The settings of the Gaussian likelihood N(output, sigma^2).
#pragma once

namespace vae_dist::objective {

enum class Variance {
  fixed,    ///< GaussianSettings::sigma
  learned,  ///< one log sigma, a parameter
  optimal,  ///< sigma^2 = the batch's mean squared error, which maximises the likelihood (Rybkin et
            ///< al. 2021, "Simple and Effective VAE Training with Calibrated Decoders", eq. 6);
            ///< evaluation uses its running mean
  predicted,         ///< the decoder's second head predicts log sigma^2 of every value
  predicted_shared,  ///< it predicts one log sigma^2 for all values of a sample: p(x|z) = N(mu(z),
                     ///< sigma^2(z) I) (Kingma, Welling 2014, appendix C.2 with equal variances)
};

/// The configuration keys of the likelihood "gaussian", under `objective`.
struct GaussianSettings {
  Variance variance = Variance::fixed;
  double sigma = 1.0;  ///< for Variance::fixed, in data units
};

}  // namespace vae_dist::objective
