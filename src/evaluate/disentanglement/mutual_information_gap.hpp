// MIG, the mutual information gap. Chen, Li, Grosse, Duvenaud: "Isolating Sources of
// Disentanglement in Variational Autoencoders", NeurIPS 2018, section 4, estimated from the means
// as disentanglement_lib (Locatello et al. 2019) does.
//
// Each dimension of mu is cut into 20 bins of equal width between its least and largest value.
// I(dimension; factor) is the mutual information of the bin and the class over all rows (no draws:
// the protocol's 10,000 rows are a sample of these), H(factor) the entropy of the class. MIG = mean
// over factors of (largest - second largest I over dimensions) / H: 0 is worst, 1 is best. Natural
// logarithms (the base cancels in the gap). Few rows bias each I upwards, by about 19 (classes - 1)
// / (2 N) nats.
#pragma once

#include "evaluate/disentanglement/factored_latents.hpp"

namespace vae_dist::evaluate {

inline constexpr std::int64_t kInformationBins = 20;

double mutual_information_gap(const FactoredLatents& latents);

/// I(dimension; factor) in nats, float64 [L, F].
at::Tensor mutual_information(const FactoredLatents& latents);

/// H(factor) in nats, float64 [F].
at::Tensor factor_entropies(const FactoredLatents& latents);

}  // namespace vae_dist::evaluate
