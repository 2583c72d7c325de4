#include "disentanglement/mutual_information_gap.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <vector>

#include "disentanglement/latent_gap.hpp"

namespace vae_dist::disentanglement {
namespace {

// Returns the bin of each row, int64 [N]. The edges are those of numpy: least + i * width. A value
// on an edge belongs to the bin above, the largest value to the last bin.
at::Tensor bins_of(const at::Tensor& values) {
  const double least = values.min().item<double>(), largest = values.max().item<double>();
  const double width = (largest - least) / static_cast<double>(kInformationBins);
  const at::Tensor inner = at::arange(1, kInformationBins, at::kDouble) * width + least;
  if (!(width > 0)) return at::zeros(values.sizes(), at::kLong);
  return at::bucketize(values.contiguous(), inner, /*out_int32=*/false, /*right=*/true);
}

// Returns the entropy in nats of the distribution that `counts` give after division by their total.
double entropy(const at::Tensor& counts) {
  const at::Tensor p = counts.to(at::kDouble) / counts.sum();
  return -at::special_xlogy(p, p).sum().item<double>();
}

}  // namespace

at::Tensor factor_entropies(const FactoredLatents& latents) {
  std::vector<double> entropies;
  for (std::int64_t f = 0; f < latents.factors(); ++f)
    entropies.push_back(entropy(latents.classes(f).bincount()));
  return at::tensor(entropies, at::kDouble);
}

at::Tensor mutual_information(const FactoredLatents& latents) {
  at::Tensor information = at::empty({latents.dimensions(), latents.factors()}, at::kDouble);
  for (std::int64_t d = 0; d < latents.dimensions(); ++d) {
    const at::Tensor bins = bins_of(latents.mu().select(1, d));
    const double bin_entropy = entropy(bins.bincount());
    for (std::int64_t f = 0; f < latents.factors(); ++f) {
      const at::Tensor& classes = latents.classes(f);
      const double joint = entropy((classes * kInformationBins + bins).bincount());
      information[d][f] = bin_entropy + entropy(classes.bincount()) - joint;
    }
  }
  return information.clamp_min_(0.0);
}

double mutual_information_gap(const FactoredLatents& latents) {
  const at::NoGradGuard no_grad;
  return (latent_gaps(mutual_information(latents)) / factor_entropies(latents))
      .mean()
      .item<double>();
}

}  // namespace vae_dist::disentanglement
