// The autoencoder: VanillaVae's networks with a single point as the latent, z = g(x). Nothing
// constrains where the codes lie, so decoding z ~ N(0, I) gives noise. This motivates the
// variational autoencoder.
#pragma once

#include "model/convolutional_network.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::model {

class Autoencoder : public LatentModel {
 public:
  Autoencoder(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood)
      : encoder_(*this, options),
        fc_z_(register_module("fc_z", Linear(encoder_.code_values(), options.latent_dim))),
        decoder_(*this, options) {
    finish({options.latent_dim}, std::move(likelihood), options.codebook);
  }

  base::LatentKind latent_kind() const override { return base::LatentKind::point; }

 protected:
  Posterior encode_sample(const Sample& sample) override {
    return {fc_z_->forward(encoder_.forward(sample)), {}};
  }
  Decoded decode_latents(const at::Tensor& z, const Sample& given) override {
    return decoder_.forward(z, given);
  }

 private:
  ConvolutionalEncoder encoder_;
  Linear fc_z_;
  ConvolutionalDecoder decoder_;
};

}  // namespace vae_dist::model
