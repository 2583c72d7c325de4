#include "model/recompute.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <stdexcept>

#include "model/autocast.hpp"
#include "model/weights_in_use.hpp"

namespace vae_dist::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the two passes share.
struct Pass : torch::CustomClassHolder {
  Pass(torch::nn::AnyModule module, AutocastState state)
      : block(std::move(module)), autocast(state) {}

  // Runs the block with a graph of its own, which begins at the leaf `x`. Forward needs no graph,
  // but LibTorch may choose other algorithms where no gradient is asked for.
  at::Tensor run(const at::Tensor& x) {
    const at::AutoGradMode with_gradients(true);
    const AutocastAs same(x.device().type(), autocast);
    return block.forward(x);
  }

  torch::nn::AnyModule block;
  const AutocastState autocast;
};

at::Tensor as_leaf(const at::Tensor& x) { return x.detach().requires_grad_(x.requires_grad()); }

// The parameters are inputs of this function, so their gradients are results of backward, which
// the outer graph's accumulators receive as those of any other operation.
class RecomputedBlock : public torch::autograd::Function<RecomputedBlock> {
 public:
  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Pass>& pass,
                            const at::Tensor& x, at::TensorList parameters) {
    variable_list inputs = {x};
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    context->save_for_backward(std::move(inputs));
    context->saved_data["pass"] = c10::IValue::make_capsule(pass);
    return pass->run(as_leaf(x)).detach();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    if (at::GradMode::is_enabled())
      throw std::logic_error(
          "a block that is computed again in backward has no second derivative; train with "
          "train.recompute none");
    variable_list inputs = context->get_saved_variables();
    inputs[0] = as_leaf(inputs[0]);
    const auto pass =
        c10::static_intrusive_pointer_cast<Pass>(context->saved_data.at("pass").toCapsule());
    variable_list wanted;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (context->needs_input_grad(i)) wanted.push_back(inputs[i]);
    const variable_list found = torch::autograd::grad(
        {pass->run(inputs[0])}, wanted, {gradients[0]}, /*retain_graph=*/false,
        /*create_graph=*/false, /*allow_unused=*/true);
    // The first argument of forward is no tensor and has no gradient.
    variable_list out(1 + inputs.size());
    for (std::size_t i = 0, next = 0; i < inputs.size(); ++i)
      if (context->needs_input_grad(i)) out[1 + i] = found[next++];
    return out;
  }
};

}  // namespace

at::Tensor recomputed(torch::nn::AnyModule block, const at::Tensor& x) {
  const std::shared_ptr<torch::nn::Module> module = block.ptr();
  if (!module->buffers().empty())
    throw std::logic_error("the block " + module->name() +
                           " has buffers, which computing it again might change a second time");
  const std::vector<at::Tensor> parameters = weights_in_use(*module);
  const bool learns = x.requires_grad() || std::any_of(parameters.begin(), parameters.end(),
                                                       [](const at::Tensor& parameter) {
                                                         return parameter.requires_grad();
                                                       });
  if (!at::GradMode::is_enabled() || !learns) return block.forward(x);
  AutocastState autocast = autocast_state(x.device().type());
  // A cast that one pass keeps would reach the other pass, or the rest of the network, without
  // the way back to the weight in the graph of that pass.
  autocast.keeps_casts = false;
  return RecomputedBlock::apply(c10::make_intrusive<Pass>(std::move(block), autocast), x,
                                at::TensorList(parameters));
}

}  // namespace vae_dist::model
