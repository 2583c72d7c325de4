// How far apart two distributions of numbers are, by their histograms.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::evaluate {

inline constexpr std::int64_t kHistogramBins = 50;

/// Counts values in kHistogramBins bins of equal width from `low` to `high`, which belongs to the
/// last bin, with what lies below before them and what lies above behind them: [kHistogramBins +
/// 2], int64. NaN does not count. If low is high, the first bin holds that value.
at::Tensor histogram(const at::Tensor& values, double low, double high);

/// Returns the separation power S^2 = 1/2 sum (h1 - h2)^2 / (h1 + h2) of two histograms over the
/// same bins, each divided by its sum first: 0 if they are equal, 1 if they have no bin in common,
/// NaN if one is empty. The CaloChallenge's evaluation program compares each of its quantities in
/// this way (Diefenbacher et al. 2020, "DCTRGAN", arXiv:2009.03796, eq. 15).
double separation_power(const std::vector<double>& first, const std::vector<double>& second);

}  // namespace vae_dist::evaluate
