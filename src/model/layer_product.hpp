// The products of layers: convolutions, linear layers, attention. Every layer of ours computes
// through layer_product(), which decides how bfloat16 is computed and tells who asks for the
// shapes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/rounded_products.hpp"

namespace vae_dist::model {

/// The shapes of a layer's product.
struct LayerCall {
  enum class Kind { convolution, transposed_convolution, linear, attention };

  Kind kind = Kind::linear;
  /// Of the input, the weight and the output; for attention, of queries, keys and the output.
  std::vector<std::int64_t> input, weight, output;
  bool learns_input = false;  ///< backward computes a gradient of the input (attention: of all
                              ///< three inputs)
  bool learns_weight = false;
};

/// Collects the calls of layer_product() in this thread while it lives. A forward that backward
/// repeats (recompute.hpp) is left out. Of several that live at a time, the newest collects.
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

/// Adds a call to the LayerCalls of this thread, if there are any.
void note_call(LayerCall::Kind kind, const at::Tensor& input, const at::Tensor& weight,
               const at::Tensor& output);

/// Returns product(input, weight, bias). Where autocast wants bfloat16 (autocast.hpp) and the CPU
/// has no instructions for it, operands and result are rounded and the product gets and gives fp32
/// (kernels/rounded_products.hpp). `bias` may be undefined.
template <typename Product>
at::Tensor layer_product(LayerCall::Kind kind, const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& bias, const Product& product) {
  const at::Tensor output = kernels::rounds_products(input)
                                ? kernels::rounded_product(input, weight, bias, product)
                                : product(input, weight, bias);
  note_call(kind, input, weight, output);
  return output;
}

}  // namespace vae_dist::model
