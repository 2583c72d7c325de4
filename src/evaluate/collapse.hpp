// Detects models that learn nothing: from an evaluation (posterior collapse: Bowman et al. 2016,
// section 3.1; or reconstructions that are the mean image), and before the first step, from a KL
// weight that is too large for anything to be learned.
#pragma once

#include <string>

#include "data/model_input.hpp"
#include "evaluate/evaluation.hpp"

namespace vae_dist::evaluate {

inline constexpr double kCollapsedKldNats = 0.5;
inline constexpr double kCollapsedMseShare = 0.9;  ///< of the mean image's MSE

/// Describes a collapse and what to try: for a KL below kCollapsedKldNats, or a squared error above
/// kCollapsedMseShare of the mean image's. Otherwise returns an empty string. Meaningful only after
/// an epoch or 500 steps. Always empty for a decoder-only model, which reconstructs nothing.
std::string collapse_sign(const Evaluation& result, double mean_image_mse);

/// Returns the largest eigenvalue of the covariance of the first `count` images (as the model sees
/// them): the variance along the direction in which they differ most. Uses power iteration on the
/// centred data matrix; accurate to about 1 % when the first two eigenvalues differ.
double top_variance(const data::SampleDataset& dataset, std::int64_t count,
                    const data::InputFormat& format);

/// Returns whether the weight of the KL is too large. A latent direction pays for itself only if
/// the data's variance along it exceeds sigma_eff^2 (see kld_weight.hpp). If no direction does,
/// every linear code collapses and reconstructions become the mean image.
inline bool must_collapse(double effective_sigma, double top_variance) {
  return effective_sigma * effective_sigma >= top_variance;
}

}  // namespace vae_dist::evaluate
