// The linear layers of our networks: LibTorch's, computed through layer_product().
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

namespace vae_dist::model {

class LinearImpl : public torch::nn::LinearImpl {
 public:
  using torch::nn::LinearImpl::LinearImpl;

  /// Maps x: [..., in] to [..., out].
  at::Tensor forward(const at::Tensor& x);
};
TORCH_MODULE(Linear);

}  // namespace vae_dist::model
