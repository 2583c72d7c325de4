// What a network is told about a sample beside its values, y: numbers and one-hot classes side by
// side (Sample::condition). It enters the encoder, q(z|x,y), and the decoder, p(x|z,y) (Sohn et al.
// 2015, "Learning Structured Output Representation using Deep Conditional Generative Models"), as
// in PyTorch-VAE's cvae.py.
#pragma once

#include <torch/nn/module.h>

#include "model/convolution.hpp"
#include "model/linear.hpp"
#include "model/network_options.hpp"
#include "model/sample.hpp"

namespace vae_dist::model {

/// Returns `rows`, [B, n], joined by the sample's condition: [B, n + Y]. With condition_values 0
/// returns them as they are. Throws std::logic_error if the sample lacks the condition or has
/// another number of values.
at::Tensor with_condition(const at::Tensor& rows, const Sample& sample,
                          std::int64_t condition_values);

/// Returns a map, [B, n, space...], joined by the condition, whose numbers are the same at each
/// position: [B, n + Y, space...]. Otherwise as with_condition().
at::Tensor with_condition_everywhere(const at::Tensor& map, const Sample& sample,
                                     std::int64_t condition_values);

/// The condition as one more channel of what a convolutional encoder reads.
class ConditionChannel {
 public:
  /// With a condition, registers "embed_class", which maps it linearly to a channel of the samples'
  /// size, and "embed_data", which maps the channels at each position.
  ConditionChannel(torch::nn::Module& owner, const NetworkOptions& options);

  /// Returns how many channels the encoder reads.
  std::int64_t channels() const { return channels_; }

  /// Returns the encoder's input (Sample::input()) and the condition's channel: [B, channels(),
  /// space...]; the input itself without a condition.
  at::Tensor joined(const Sample& sample);

 private:
  std::int64_t values_, channels_;
  Space space_;
  Linear embed_class_{nullptr};
  Convolution embed_data_{nullptr};
};

}  // namespace vae_dist::model
