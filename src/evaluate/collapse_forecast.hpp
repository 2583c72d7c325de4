// Whether a run can learn anything at all, seen before its first step: posterior collapse by a KL weight that is too large.
#pragma once

#include "data/model_input.hpp"

namespace vae_dist::evaluate {

/// The largest eigenvalue of the covariance of the first `count` images (as the model sees them): the variance along the direction in
/// which they differ most. By power iteration on the centred data matrix; within about 1 % when the first two eigenvalues differ.
double top_variance(const data::SampleDataset& dataset, std::int64_t count, const data::InputFormat& format);

/// A latent direction pays for itself only where the data's variance along it exceeds sigma_eff^2 (see kld_weight.hpp). If no
/// direction's does, every linear code collapses, and reconstructions become the mean image.
inline bool must_collapse(double effective_sigma, double top_variance) { return effective_sigma * effective_sigma >= top_variance; }

}  // namespace vae_dist::evaluate
