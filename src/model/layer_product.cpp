#include "model/layer_product.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>

namespace vae_dist::model {
namespace {

thread_local LayerCalls* collecting = nullptr;

}  // namespace

LayerCalls::LayerCalls() : former_(collecting) { collecting = this; }

LayerCalls::~LayerCalls() { collecting = former_; }

void note_call(LayerCall::Kind kind, const at::Tensor& input, const at::Tensor& weight,
               const at::Tensor& output) {
  if (!collecting || torch::autograd::get_current_node()) return;
  const bool learns = at::GradMode::is_enabled();
  collecting->calls_.push_back({kind, input.sizes().vec(), weight.sizes().vec(),
                                output.sizes().vec(), learns && input.requires_grad(),
                                learns && weight.requires_grad()});
}

}  // namespace vae_dist::model
