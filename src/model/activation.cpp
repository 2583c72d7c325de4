#include "model/activation.hpp"

#include <ATen/ATen.h>

namespace vae_dist::model {

at::Tensor activate(at::Tensor x, Activation kind) {
  switch (kind) {
    case Activation::leaky_relu:
      return at::leaky_relu_(x, *negative_slope(kind));
    case Activation::relu:
      return at::relu_(x);
    case Activation::tanh:
      return at::tanh(x);
    case Activation::silu:
      return at::silu(x);
    case Activation::sigmoid:
      return at::sigmoid(x);
    case Activation::identity:
      return x;
  }
  return x;
}

std::optional<double> negative_slope(Activation kind) {
  switch (kind) {
    case Activation::leaky_relu:
      return 0.01;
    case Activation::relu:
      return 0.0;
    case Activation::identity:
      return 1.0;
    case Activation::tanh:
    case Activation::silu:
    case Activation::sigmoid:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace vae_dist::model
