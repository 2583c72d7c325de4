// The gap that MIG and SAP are based on: how far a factor's most informative latent dimension is
// ahead of the next.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::disentanglement {

/// `scores` [L, F]: how informative each dimension is about each factor. Returns, as float64 [F],
/// the largest minus the second largest entry of each column (with a single dimension: minus 0).
at::Tensor latent_gaps(const at::Tensor& scores);

}  // namespace vae_dist::disentanglement
