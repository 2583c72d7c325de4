// Whether a model has learned nothing, seen in an evaluation: posterior collapse (Bowman et al. 2016, section 3.1), or reconstructions that are the mean image.
#pragma once

#include <string>

#include "evaluate/evaluation.hpp"

namespace vae_dist::evaluate {

inline constexpr double kCollapsedKldNats = 0.5;
inline constexpr double kCollapsedMseShare = 0.9;  ///< of the mean image's

/// Empty, or what shows it and what to try: a KL below kCollapsedKldNats, or a squared error above kCollapsedMseShare of the mean image's. Means something after an epoch or 500
/// steps. Always empty for a decoder alone, which reconstructs nothing.
std::string collapse_sign(const Evaluation& result, double mean_image_mse);

}  // namespace vae_dist::evaluate
