#include "model/vanilla_vae.hpp"

#include "model/network_registry.hpp"

namespace vae_dist::model {

VanillaVae::VanillaVae(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood)
    : encoder_(*this, options),
      fc_mu_(register_module("fc_mu", Linear(encoder_.code_values(), options.latent_dim))),
      fc_var_(options.codebook
                  ? Linear(nullptr)
                  : register_module("fc_var", Linear(encoder_.code_values(), options.latent_dim))),
      decoder_(*this, options) {
  finish({options.latent_dim}, std::move(likelihood), options.codebook);
}

Posterior VanillaVae::encode_sample(const Sample& sample) {
  const at::Tensor code = encoder_.forward(sample);
  return {fc_mu_->forward(code),
          fc_var_.is_empty() ? at::Tensor() : clamp_log_var(fc_var_->forward(code))};
}

namespace {

const RegisteredNetwork kVanillaVae({{.name = "vanilla_vae",
                                      .help = "PyTorch-VAE's convolutional VAE"},
                                     base::LatentKind::posterior,
                                     /*has_blocks=*/false,
                                     /*takes_condition=*/true},
                                    [](const NetworkRequest& wanted) {
                                      return std::make_shared<VanillaVae>(wanted.options,
                                                                          wanted.likelihood);
                                    });

}  // namespace

}  // namespace vae_dist::model
