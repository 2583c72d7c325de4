// What the layers of a network are asked to compute: the shapes of their products.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::model {

struct LayerCall {
  enum class Kind { convolution, transposed_convolution, linear, attention };

  Kind kind = Kind::linear;
  /// Of the input, the weight and the output; for attention, of queries, keys and the output.
  std::vector<std::int64_t> input, weight, output;
  bool learns_input = false;  ///< backward computes a gradient of the input (attention: of all
                              ///< three inputs)
  bool learns_weight = false;
};

/// Collects the calls of the layers in product_layers.hpp in this thread while it lives. A forward
/// that backward repeats (recompute.hpp) is left out. Of several that live at a time, the newest
/// collects.
class LayerCalls {
 public:
  LayerCalls();
  ~LayerCalls();
  LayerCalls(const LayerCalls&) = delete;
  LayerCalls& operator=(const LayerCalls&) = delete;

  const std::vector<LayerCall>& all() const { return calls_; }

 private:
  friend void note_call(LayerCall::Kind kind, const at::Tensor& input, const at::Tensor& weight,
                        const at::Tensor& output);

  std::vector<LayerCall> calls_;
  LayerCalls* const former_;
};

/// Called by each layer after its forward. Does nothing if nobody collects.
void note_call(LayerCall::Kind kind, const at::Tensor& input, const at::Tensor& weight,
               const at::Tensor& output);

}  // namespace vae_dist::model
