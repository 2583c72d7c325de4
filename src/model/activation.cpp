#include "model/activation.hpp"

#include <ATen/ATen.h>

namespace vae_dist {

at::Tensor ActivationModuleImpl::forward(at::Tensor x) {
  switch (kind_) {
    case Activation::leaky_relu: return at::leaky_relu_(x, 0.01);
    case Activation::relu: return at::relu_(x);
    case Activation::tanh: return at::tanh(x);
    case Activation::silu: return at::silu(x);
    case Activation::sigmoid: return at::sigmoid(x);
    case Activation::identity: return x;
  }
  return x;
}

}  // namespace vae_dist
