// The BetaVAE score. Higgins et al.: "beta-VAE: Learning Basic Visual Concepts with a Constrained
// Variational Framework", ICLR 2017.
//
// One vote draws a factor k uniformly, then 64 pairs of rows that share their class of k: the first
// row of a pair uniformly from all rows, the second from the other rows of its class. The vote's
// point is the mean over the pairs of |mu_1 - mu_2| ([L]), its label is k. A linear classifier
// (linear_classifier.hpp) learns k from 10,000 votes; the score is its accuracy on 5,000 other
// votes: 1 / factors is chance, 1 is best. The counts are those of disentanglement_lib (Locatello
// et al. 2019). Random numbers are keyed by (seed, Purpose::evaluation, "beta") and the vote.
#pragma once

#include "disentanglement/factored_latents.hpp"
#include "disentanglement/row_draws.hpp"

namespace vae_dist::disentanglement {

double beta_vae_score(const FactoredLatents& latents, std::uint64_t seed = 0);

struct LabelledPoints {
  at::Tensor points;  ///< [votes, L], float64
  at::Tensor labels;  ///< [votes], int64: the factor
};

LabelledPoints beta_vae_points(const FactoredLatents& latents, Votes votes, std::uint64_t seed = 0);

}  // namespace vae_dist::disentanglement
