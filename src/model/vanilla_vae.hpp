// The convolutional variational autoencoder of PyTorch-VAE (vanilla_vae.py), for any size and
// number of channels.
#pragma once

#include "model/convolutional_network.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::model {

class VanillaVae : public LatentModel {
 public:
  VanillaVae(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood);

 protected:
  Posterior encode_sample(const Sample& sample) override;
  Decoded decode_latents(const at::Tensor& z, const Sample& given) override {
    return decoder_.forward(z, given);
  }

 private:
  // Keep this order: registration order determines the order of the parameter arena and of the
  // names.
  ConvolutionalEncoder encoder_;
  Linear fc_mu_, fc_var_;  // fc_var_ is empty if the latent is a point
  ConvolutionalDecoder decoder_;
};

}  // namespace vae_dist::model
