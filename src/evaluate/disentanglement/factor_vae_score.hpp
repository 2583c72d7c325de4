// The FactorVAE score. Kim, Mnih: "Disentangling by Factorising", ICML 2018.
//
// Dimensions whose mean has a variance below 0.05 over all rows are left out; where none is left
// the score is 0. (Threshold on the variance itself; disentanglement_lib compares its root with
// 0.05, and so keeps more.) A vote: a factor k is drawn uniformly, a class of it as often as it
// occurs, then 64 rows of that class, with replacement. Each dimension's unbiased variance over the
// batch is divided by that over all rows; the vote is (the dimension where this is least, k).
// 10,000 votes give each dimension the factor that voted for it most often; the score is the part
// of 5,000 other votes whose factor is their dimension's: 1 / factors is chance, 1 is best. Counts
// as in disentanglement_lib (Locatello et al. 2019). Random numbers: (seed, Purpose::evaluation,
// "factor"), by vote.
#pragma once

#include "evaluate/disentanglement/factored_latents.hpp"

namespace vae_dist::evaluate {

inline constexpr double kPrunedVariance = 0.05;

double factor_vae_score(const FactoredLatents& latents, std::uint64_t seed = 0);

}  // namespace vae_dist::evaluate
