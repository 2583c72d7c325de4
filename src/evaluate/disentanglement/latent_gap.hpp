// What MIG and SAP have in common: how far the most informative latent dimension of a factor is
// ahead of the next.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::evaluate {

/// `scores` [L, F]: what each dimension says about each factor. [F], float64: the largest minus the
/// second largest of each column (of a single dimension: minus 0).
at::Tensor latent_gaps(const at::Tensor& scores);

}  // namespace vae_dist::evaluate
