#include "model/product_layers.hpp"

#include <ATen/ATen.h>

#include <stdexcept>
#include <variant>

#include "kernels/rounded_products.hpp"
#include "model/layer_calls.hpp"

namespace vae_dist::model {
namespace {

// Returns product(a, b, c), in bfloat16 by rounding where the CPU cannot multiply it.
template <typename Product>
at::Tensor computed(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c,
                    const Product& product) {
  return kernels::rounds_products(a) ? kernels::rounded_product(a, b, c, product)
                                     : product(a, b, c);
}

}  // namespace

at::Tensor LinearImpl::forward(const at::Tensor& x) {
  const at::Tensor y = computed(x, weight, bias, [](const auto& a, const auto& b, const auto& c) {
    return at::linear(a, b, c);
  });
  note_call(LayerCall::Kind::linear, x, weight, y);
  return y;
}

at::Tensor Conv2dImpl::convolve(const at::Tensor& x, const at::Tensor& added) const {
  const auto* const padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  if (!padding || !std::holds_alternative<torch::enumtype::kZeros>(options.padding_mode()))
    throw std::logic_error("a convolution pads with zeros, by numbers");
  const at::Tensor y = computed(x, weight, added, [&](const auto& a, const auto& b, const auto& c) {
    return at::conv2d(a, b, c, options.stride(), *padding, options.dilation(), options.groups());
  });
  note_call(LayerCall::Kind::convolution, x, weight, y);
  return y;
}

at::Tensor ConvTranspose2dImpl::convolve(const at::Tensor& x, const at::Tensor& added) const {
  const auto* const padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  if (!padding) throw std::logic_error("a transposed convolution pads by numbers");
  const at::Tensor y = computed(x, weight, added, [&](const auto& a, const auto& b, const auto& c) {
    return at::conv_transpose2d(a, b, c, options.stride(), *padding, options.output_padding(),
                                options.groups(), options.dilation());
  });
  note_call(LayerCall::Kind::transposed_convolution, x, weight, y);
  return y;
}

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  const at::Tensor y = computed(query, key, value, [](const auto& a, const auto& b, const auto& c) {
    return at::scaled_dot_product_attention(a, b, c);
  });
  note_call(LayerCall::Kind::attention, query, key, y);
  return y;
}

}  // namespace vae_dist::model
