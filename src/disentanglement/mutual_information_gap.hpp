// MIG, the mutual information gap. Chen, Li, Grosse, Duvenaud: "Isolating Sources of
// Disentanglement in Variational Autoencoders", NeurIPS 2018, section 4, estimated from the means
// as disentanglement_lib (Locatello et al. 2019) does.
//
// Each dimension of mu is cut into 20 bins of equal width between its smallest and largest value.
// I(dimension; factor) is the mutual information of the bin and the class over all rows (no
// sampling: the protocol's 10,000 rows are a sample of these), and H(factor) is the entropy of the
// class. MIG = mean over factors of (largest - second largest I over dimensions) / H: 0 is worst, 1
// is best. Logarithms are natural (the base cancels in the gap). A small number of rows biases each
// I upwards, by about 19 (classes - 1) / (2 N) nats.
#pragma once

#include "disentanglement/factored_latents.hpp"

namespace vae_dist::disentanglement {

inline constexpr std::int64_t kInformationBins = 20;

double mutual_information_gap(const FactoredLatents& latents);

/// Returns I(dimension; factor) in nats, float64 [L, F].
at::Tensor mutual_information(const FactoredLatents& latents);

/// Returns H(factor) in nats, float64 [F].
at::Tensor factor_entropies(const FactoredLatents& latents);

}  // namespace vae_dist::disentanglement
