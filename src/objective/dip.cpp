// DIP-VAE (Kumar, Sattigeri, Balakrishnan 2018, "Variational Inference of Disentangled Latent
// Concepts from Unlabeled Observations", eqs. 6 and 7): the covariance of the codes is pulled
// towards the identity.
//
//   i     C = Cov(mu)
//   ii    C = Cov(mu) + E[diag(sigma^2)], the covariance of z
//   values: sum_{i != j} C_ij^2, and sum_i (C_ii - 1)^2
//
// Covariances divide by G, not by G - 1, because the mean over the batch then is a mean of
// products.
#include <ATen/ATen.h>

#include <optional>

#include "objective/regulariser.hpp"

namespace vae_dist::objective {
namespace {

enum class DipKind { i, ii };

struct DipSettings {
  DipKind kind = DipKind::ii;
  std::optional<double> diagonal_weight;
};

// [L mean of mu | L*L mean of mu mu^T | L mean of sigma^2]
FunctionOfMeans covariance_penalty(DipKind kind) {
  FunctionOfMeans out;
  out.count = [](std::int64_t latent) { return latent * (latent + 2); };
  out.means = [](const LatentRows& rows) {
    const at::Tensor& mu = rows.posterior.mu;
    const at::Tensor products = mu.t().matmul(mu) / static_cast<double>(mu.size(0));
    return at::cat({mu.mean(0), products.flatten(), rows.posterior.log_var.exp().mean(0)});
  };
  out.values = [kind](const at::Tensor& means) {
    // K = L * (L + 2)
    std::int64_t latent = 0;
    while (latent * (latent + 2) < means.numel()) ++latent;
    const at::Tensor mean = means.narrow(0, 0, latent),
                     products = means.narrow(0, latent, latent * latent).view({latent, latent});
    const at::Tensor covariance = products - at::outer(mean, mean);
    at::Tensor diagonal = covariance.diagonal();
    const at::Tensor all = covariance.square().sum(), own = diagonal.square().sum();
    if (kind == DipKind::ii) diagonal = diagonal + means.narrow(0, latent * (latent + 1), latent);
    return at::stack({all - own, (diagonal - 1).square().sum()});
  };
  return out;
}

const RegisteredRegulariser kDip(
    {{.name = "dip",
      .help = "squared covariances of the codes (DIP-VAE; Kumar et al. 2018)",
      .own = base::own_keys<DipSettings>([](base::Section& keys, DipSettings& own) {
        keys.choice("kind", own.kind, {{"i", DipKind::i}, {"ii", DipKind::ii}},
                    "i: covariance of mu; ii: covariance of z");
        keys.key("diagonal_weight", own.diagonal_weight,
                 "factor of sum_i (C_ii - 1)^2; null: 10 times `weight` for i, `weight` for ii, as "
                 "in the paper")
            .at_least(0);
      })},
     /*needs_posterior=*/true,
     /*in_nats=*/true},
    [](const RegulariserRequest& wanted) {
      const auto& own = wanted.settings<DipSettings>();
      const double usual = wanted.weight * (own.kind == DipKind::i ? 10 : 1);
      return MadeRegulariser(covariance_penalty(own.kind),
                             {{"dip_diagonal", own.diagonal_weight.value_or(usual)}});
    });

}  // namespace
}  // namespace vae_dist::objective
