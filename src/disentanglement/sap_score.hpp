// SAP, the separated attribute predictability. Kumar, Sattigeri, Balakrishnan: "Variational
// Inference of Disentangled Latent Concepts from Unlabeled Observations", ICLR 2018, section 3.
//
// Measures how well each dimension of mu alone predicts each factor by a linear rule:
//   ordered factor: R^2 of the linear regression (the squared correlation) of its class number
//     with the dimension, over all rows; 0 for a dimension with a variance of at most 1e-12.
//   unordered factor: accuracy of a linear classifier (linear_classifier.hpp) of that one
//     dimension, trained on up to 10,000 rows and measured on up to 5,000 others (at most 2/3
//     and 1/3 of all), drawn without replacement.
// SAP = mean over factors of (largest - second largest over dimensions): 0 is worst.
// disentanglement_lib (Locatello et al. 2019) uses the same counts, but a linear SVM as the
// classifier of every factor, so its figures for ordered factors differ. Random numbers are keyed
// by (seed, Purpose::evaluation, "sap") and the row.
#pragma once

#include "disentanglement/factored_latents.hpp"

namespace vae_dist::disentanglement {

double sap_score(const FactoredLatents& latents, std::uint64_t seed = 0);

/// Returns how well each dimension predicts each factor, float64 [L, F].
at::Tensor attribute_predictability(const FactoredLatents& latents, std::uint64_t seed = 0);

}  // namespace vae_dist::disentanglement
