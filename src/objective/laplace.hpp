// The settings of the Laplace likelihood.
#pragma once

namespace vae_dist::objective {

enum class Spread {
  fixed,      ///< LaplaceSettings::scale
  learned,    ///< one log scale per channel, a parameter
  predicted,  ///< the decoder's second head predicts the log scale of every value
};

/// The configuration keys of the likelihood "laplace", under `objective`.
struct LaplaceSettings {
  Spread spread = Spread::fixed;
  double scale = 1.0;  ///< for Spread::fixed, in data units
};

}  // namespace vae_dist::objective
