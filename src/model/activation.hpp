// The nonlinearities of the networks and of their outputs.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <optional>

namespace vae_dist::model {

enum class Activation { leaky_relu, relu, tanh, silu, sigmoid, identity };

/// Applies `kind` to each element. The rectifiers overwrite x.
at::Tensor activate(at::Tensor x, Activation kind);

/// Returns the factor by which the rectifiers multiply negative values: 0.01 (PyTorch's default),
/// 0, and 1 for identity. Empty for the others.
std::optional<double> negative_slope(Activation kind);

/// A module without parameters that applies `kind` element-wise. The rectifiers overwrite their
/// input; the layer before them does not need it for its gradient.
class ActivationModuleImpl : public torch::nn::Module {
 public:
  explicit ActivationModuleImpl(Activation kind) : kind_(kind) {}
  at::Tensor forward(at::Tensor x) { return activate(std::move(x), kind_); }

 private:
  Activation kind_;
};
TORCH_MODULE(ActivationModule);

}  // namespace vae_dist::model
