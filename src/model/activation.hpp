// The nonlinearities of the networks and of their outputs.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

namespace vae_dist {

enum class Activation { leaky_relu, relu, tanh, silu, sigmoid, identity };

/// A module without parameters that applies `kind` element-wise. LeakyReLU's slope is 0.01, PyTorch's default. The rectifiers
/// overwrite their input, which nothing before them needs for its gradient.
class ActivationModuleImpl : public torch::nn::Module {
 public:
  explicit ActivationModuleImpl(Activation kind) : kind_(kind) {}
  at::Tensor forward(at::Tensor x);

 private:
  Activation kind_;
};
TORCH_MODULE(ActivationModule);

}  // namespace vae_dist
