// The tensors with which the layers of a network compute: its parameters, or copies of them that
// take their place for a while.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <utility>
#include <vector>

namespace vae_dist::model {

/// Returns the weights and biases of the convolutions and linear layers under `module`: the
/// parameters that Autocast rounds to bfloat16.
std::vector<at::Tensor> weights_of_products(torch::nn::Module& module);

/// Returns the tensors under `module` that its next forward reads as parameters, in the order of
/// module.parameters().
std::vector<at::Tensor> weights_in_use(torch::nn::Module& module);

/// While this object lives, convolutions and linear layers compute with copies of their parameters.
/// The parameters keep their names, values and places everywhere else.
class UseCopies {
 public:
  /// `copies`: pairs of a parameter and its copy. Other parameters are used as they are.
  UseCopies(torch::nn::Module& module,
            const std::vector<std::pair<at::Tensor, at::Tensor>>& copies);
  ~UseCopies();
  UseCopies(const UseCopies&) = delete;
  UseCopies& operator=(const UseCopies&) = delete;

 private:
  std::vector<std::pair<at::Tensor*, at::Tensor>> former_;
};

}  // namespace vae_dist::model
