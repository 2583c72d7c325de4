#include "model/linear.hpp"

#include <ATen/ATen.h>

#include "model/layer_product.hpp"

namespace vae_dist::model {

at::Tensor LinearImpl::forward(const at::Tensor& x) {
  return layer_product(LayerCall::Kind::linear, x, weight, bias,
                       [](const at::Tensor& in, const at::Tensor& w, const at::Tensor& b) {
                         return at::linear(in, w, b);
                       });
}

}  // namespace vae_dist::model
