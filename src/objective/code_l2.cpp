// Half the squared norm of the code, averaged over the batch. It keeps the codes of a deterministic
// autoencoder together, which has no KL to do so (Ghosh et al. 2020, "From Variational to
// Deterministic Autoencoders", eq. 5). A variational autoencoder uses the posterior's mean.
#include <ATen/ops/mean.h>
#include <ATen/ops/sum.h>

#include "objective/regulariser.hpp"

namespace vae_dist::objective {
namespace {

at::Tensor code_l2(const model::Posterior& posterior, const at::Tensor&) {
  return 0.5 * posterior.mu.square().sum(1).mean();
}

const RegisteredRegulariser kCodeL2(
    {{.name = "code_l2", .help = "half the squared norm of the code (Ghosh et al. 2020)"}},
    [](const RegulariserRequest&) { return MeanOverSamples(code_l2); });

}  // namespace
}  // namespace vae_dist::objective
