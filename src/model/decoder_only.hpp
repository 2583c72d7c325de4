// A decoder without an encoder: z ~ N(0, I), x ~ p(x|z). It is trained on the marginal likelihood,
// estimated from samples of the prior (importance_weights.hpp). It shows why a VAE has an encoder:
// with more than a few latent dimensions, hardly any sample explains an image.
#pragma once

#include <stdexcept>

#include "model/convolutional_network.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::model {

class DecoderOnly : public LatentModel {
 public:
  DecoderOnly(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood)
      : decoder_(*this, options) {
    finish(options.latent_dim, std::move(likelihood));
  }

  base::LatentKind latent_kind() const override { return base::LatentKind::none; }

 protected:
  Posterior encode_sample(const Sample&) override {
    throw std::logic_error("a decoder_only model has no encoder");
  }
  Decoded decode_latents(const at::Tensor& z, const Sample& given) override {
    return decoder_.forward(z, given);
  }

 private:
  ConvolutionalDecoder decoder_;
};

}  // namespace vae_dist::model
