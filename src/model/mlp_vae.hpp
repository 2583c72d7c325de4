// The fully connected variational autoencoder (Kingma, Welling 2014, appendix C). hidden_dims are
// numbers of units, e.g. 784-400-z-400-784.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include "model/latent_model.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

class MlpVae : public LatentModel {
 public:
  /// Throws std::invalid_argument if there is no level.
  MlpVae(const NetworkOptions& options, std::shared_ptr<Likelihood> likelihood);

 protected:
  Posterior encode_sample(const Sample& sample) override;
  Decoded decode_latents(const at::Tensor& z, const Sample&) override;

 private:
  std::vector<std::int64_t> image_shape_;     // [-1, C, H, W]
  std::vector<std::int64_t> variance_shape_;  // [-1, C, H, W], or [-1, 1, 1, 1] for a whole sample
  double least_log_variance_ = 0;
  torch::nn::Sequential encoder_{nullptr}, decoder_{nullptr}, final_layer_{nullptr};
  Linear fc_mu_{nullptr}, fc_var_{nullptr}, log_variance_layer_{nullptr};
};

}  // namespace vae_dist::model
