// The options of every network: image size, latent dimensions and widths of the levels.
#pragma once

#include <cstdint>
#include <vector>

#include "base/registered_kinds.hpp"
#include "model/activation.hpp"

namespace vae_dist::model {

struct NetworkOptions {
  std::int64_t channels = 3, height = 64, width = 64;  ///< of the images
  std::int64_t latent_dim = 128;
  std::vector<std::int64_t> hidden_dims = {32, 64, 128, 256,
                                           512};  ///< one per level: channels, or units of an MLP
  Activation activation = Activation::leaky_relu;
  Activation output = Activation::sigmoid;
  base::PredictedVariance predicted_variance =
      base::PredictedVariance::none;  ///< what a second head of the decoder gives
  bool skips_cancelled_bias = false;  ///< in training, a bias before batch norm is not added
  bool recompute_blocks = false;      ///< a network that is registered with blocks computes them
                                      ///< again in backward (recompute.hpp)

  std::int64_t image_values() const { return channels * height * width; }  ///< D
};

}  // namespace vae_dist::model
