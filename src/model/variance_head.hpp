// The second head of a convolutional decoder: the logarithm of a predicted variance, of every value
// or of the whole sample.
#pragma once

#include <torch/nn/module.h>

#include "model/convolution.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

class VarianceHead {
 public:
  VarianceHead() = default;  ///< without a layer

  /// Registers "log_variance_layer" in `owner` if `options` predict a variance: of every value, a
  /// 3x3 convolution; of the whole sample, a linear layer of the features' means over all
  /// positions.
  VarianceHead(torch::nn::Module& owner, const NetworkOptions& options);

  bool is_empty() const { return of_values_.is_empty() && of_sample_.is_empty(); }

  /// Maps the features before the decoder's output layer, [B, hidden_dims[0], H, W], to log
  /// sigma^2, not below its bound (likelihood.hpp): [B, C, H, W], or [B, 1, 1, 1] for the whole
  /// sample. Must not be empty.
  at::Tensor forward(const at::Tensor& features);

 private:
  Convolution of_values_{nullptr};
  Linear of_sample_{nullptr};
};

}  // namespace vae_dist::model
