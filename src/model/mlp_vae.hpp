// The fully connected variational autoencoder (Kingma, Welling 2014, appendix C), for samples of
// any shape. hidden_dims are numbers of units, e.g. 784-400-z-400-784. Without any it is the linear
// VAE, whose best bound is the likelihood of probabilistic PCA (Lucas et al. 2019, "Don't blame the
// ELBO!", section 4). A condition enters as further values of the input and of the latent.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include "model/latent_model.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

class MlpVae : public LatentModel {
 public:
  MlpVae(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood);

 protected:
  Posterior encode_sample(const Sample& sample) override;
  Decoded decode_latents(const at::Tensor& z, const Sample& given) override;

 private:
  std::vector<std::int64_t> sample_shape_;  // [-1, C, space...]
  std::int64_t condition_values_;
  base::SecondHead wanted_head_;
  torch::nn::Sequential encoder_{nullptr}, decoder_{nullptr}, final_layer_{nullptr};
  Linear fc_mu_{nullptr}, fc_var_{nullptr}, second_head_{nullptr};
};

}  // namespace vae_dist::model
