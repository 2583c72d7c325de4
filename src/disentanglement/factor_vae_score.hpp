// The FactorVAE score. Kim, Mnih: "Disentangling by Factorising", ICML 2018.
//
// Dimensions whose mean has a variance below 0.05 over all rows are left out; if none remains, the
// score is 0. (The threshold applies to the variance itself; disentanglement_lib compares the
// standard deviation with 0.05, and so keeps more dimensions.) One vote draws a factor k uniformly,
// one of its classes as often as it occurs, then 64 rows of that class, with replacement. Each
// dimension's unbiased variance over the batch is divided by its variance over all rows; the vote
// is the pair of the dimension with the smallest ratio and k. 10,000 votes assign to each dimension
// the factor that voted for it most often. The score is the share of 5,000 other votes whose factor
// is the one assigned to their dimension: 1 / factors is chance, 1 is best. The counts are those of
// disentanglement_lib (Locatello et al. 2019). Random numbers are keyed by (seed,
// Purpose::evaluation, "factor") and the vote.
#pragma once

#include "disentanglement/factored_latents.hpp"

namespace vae_dist::disentanglement {

inline constexpr double kPrunedVariance = 0.05;

double factor_vae_score(const FactoredLatents& latents, std::uint64_t seed = 0);

}  // namespace vae_dist::disentanglement
