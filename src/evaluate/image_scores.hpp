// Scores of a reconstruction that follow from its mean squared error.
#pragma once

#include <cmath>

namespace vae_dist::evaluate {

/// Returns the peak signal-to-noise ratio in decibels for a mean squared error on [0, 1] (so the
/// peak is 1): -10 log10(mse). Infinite for 0. For the MSE over a whole set it is not the mean of
/// the images' ratios, but it has no infinite term.
inline double psnr_db(double mse) { return -10.0 * std::log10(mse); }

}  // namespace vae_dist::evaluate
