// A variational autoencoder of residual blocks, for images of 128 to 512 pixels, and for series and
// volumes. It has group
// normalisation, attention at low resolution, and a latent that is a vector or a map (like the
// first stage of Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion
// Models", appendix G).
//
// Level i has hidden_dims[i] channels and `blocks` residual blocks. Each level halves the size of
// the one before, rounding up.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include "model/condition.hpp"
#include "model/convolution.hpp"
#include "model/latent_model.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"
#include "model/residual_network.hpp"
#include "model/second_head.hpp"

namespace vae_dist::model {

struct ResnetOptions {
  std::int64_t blocks = 2;  ///< per level
  std::vector<std::int64_t> attention_at = {
      16};                      ///< sizes of the first space axis with attention after each block
  bool spatial_latent = false;  ///< latent_dim channels at each position of the last level, instead
                                ///< of latent_dim values
  NormaliseIn normalise_in = NormaliseIn::fp32;
  bool fused_group_norm = true;

  GroupNormWays norms() const { return {normalise_in, fused_group_norm}; }
};

class ResnetVae : public LatentModel {
 public:
  /// Throws std::invalid_argument if there is no level, or if the samples are vectors.
  ResnetVae(const NetworkOptions& options, const ResnetOptions& resnet,
            std::shared_ptr<Likelihood> likelihood);

 protected:
  /// Returns a spatial latent of [B, latent_dim, space...] as rows.
  Posterior encode_sample(const Sample& sample) override;
  Decoded decode_latents(const at::Tensor& z, const Sample& given) override;

 private:
  at::Tensor through(torch::nn::Sequential& layers, at::Tensor x) const;

  std::vector<std::int64_t> code_shape_,
      latent_shape_;  // [-1, C, space...]; latent_shape_ is empty for a flat latent
  std::int64_t condition_values_;
  ConditionChannel condition_;
  torch::nn::Sequential encoder_{nullptr}, decoder_{nullptr};
  Linear fc_mu_{nullptr}, fc_var_{nullptr}, decoder_input_{nullptr};
  Convolution conv_mu_{nullptr}, conv_var_{nullptr}, latent_input_{nullptr}, output_layer_{nullptr};
  SecondHead second_head_;
  ActivationModule output_activation_;
  bool recomputes_blocks_, fused_group_norm_;
};

}  // namespace vae_dist::model
