#include "disentanglement/latent_gap.hpp"

#include <ATen/ATen.h>

namespace vae_dist::disentanglement {

at::Tensor latent_gaps(const at::Tensor& scores) {
  const at::Tensor sorted = std::get<0>(scores.sort(0, /*descending=*/true));
  return sorted.size(0) == 1 ? sorted[0] : sorted[0] - sorted[1];
}

}  // namespace vae_dist::disentanglement
