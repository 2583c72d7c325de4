// The loss of the variational autoencoder (Kingma, Welling 2014, eq. 10; PyTorch-VAE's loss_function):
// loss = reconstruction + M_N * beta * KL.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "model/kld_weight.hpp"

namespace vae_dist {

struct LossOptions {
  Reduction reduction = Reduction::mean;
  double sigma = 1.0;  ///< of the Gaussian decoder, in data units; enters `sum` only
};

/// Scalars with gradients.
struct VaeLoss {
  at::Tensor loss;
  at::Tensor reconstruction;  ///< `mean`: squared error per value; `sum`: nats per sample
  at::Tensor kld;             ///< nats per sample, >= 0

  /// With PyTorch-VAE's keys: "loss", "Reconstruction_Loss", and "KLD" with its sign: -KL.
  std::map<std::string, at::Tensor> named() const { return {{"loss", loss}, {"Reconstruction_Loss", reconstruction}, {"KLD", -kld}}; }
};

/// KL(q(z|x) || N(0, I)), mean over the batch, in nats: mean of -0.5 * sum_d(1 + log_var - mu^2 - exp(log_var))
/// (Kingma, Welling 2014, appendix B). mu, log_var: [B, latent].
at::Tensor kl_divergence(const at::Tensor& mu, const at::Tensor& log_var);

/// -log N(input; reconstruction, sigma^2), reduced. `mean`: SE / D, mean over the batch, without constants. `sum`:
/// SE / (2 sigma^2) + D/2 * log(2 pi sigma^2), mean over the batch. Both tensors [B, C, H, W].
at::Tensor gaussian_reconstruction(const at::Tensor& reconstruction, const at::Tensor& input, const LossOptions& options);

/// The loss of a batch. `kld_factor` is M_N * beta(step).
VaeLoss vae_loss(const at::Tensor& reconstruction, const at::Tensor& input, const at::Tensor& mu, const at::Tensor& log_var, double kld_factor,
                 const LossOptions& options);

}  // namespace vae_dist
