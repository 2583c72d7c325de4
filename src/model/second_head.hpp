// The second head of a convolutional decoder: what the likelihood asks for beside the output (a log
// variance, the logits of zeros), of every value or of the whole sample.
#pragma once

#include <torch/nn/module.h>

#include "model/convolution.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

class SecondHead {
 public:
  SecondHead() = default;  ///< without a layer

  /// Registers a layer in `owner`, under the name that `options.second_head` gives, if it asks for
  /// one: for every value, a convolution with a kernel of 3; for the whole sample, a linear layer
  /// of the features' means over all positions.
  SecondHead(torch::nn::Module& owner, const NetworkOptions& options);

  bool is_empty() const { return of_values_.is_empty() && of_sample_.is_empty(); }

  /// Maps the features before the decoder's output layer, [B, hidden_dims[0], space...], to numbers
  /// that are not below their bound: [B, C, space...], or [B, 1, 1...] for the whole sample. Must
  /// not be empty.
  at::Tensor forward(const at::Tensor& features);

 private:
  base::SecondHead wanted_;
  std::size_t dimensions_ = 0;
  Convolution of_values_{nullptr};
  Linear of_sample_{nullptr};
};

}  // namespace vae_dist::model
