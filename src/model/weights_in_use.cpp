#include "model/weights_in_use.hpp"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>

#include "model/convolution.hpp"

namespace vae_dist::model {
namespace {

// The tensors that the layer's forward reads; registered parameters are handles of their own.
std::vector<at::Tensor*> read_by(torch::nn::Module& layer) {
  const auto both = [](auto& of) { return std::vector<at::Tensor*>{&of.weight, &of.bias}; };
  if (auto* const convolution = dynamic_cast<ConvolutionLayer*>(&layer)) return both(*convolution);
  if (auto* const of_torch = dynamic_cast<torch::nn::Conv2dImpl*>(&layer)) return both(*of_torch);
  if (auto* const transposed = dynamic_cast<torch::nn::ConvTranspose2dImpl*>(&layer))
    return both(*transposed);
  if (auto* const linear = dynamic_cast<torch::nn::LinearImpl*>(&layer)) return both(*linear);
  return {};
}

std::vector<at::Tensor*> all_read_under(torch::nn::Module& module) {
  std::vector<at::Tensor*> out;
  module.apply([&](torch::nn::Module& layer) {
    for (at::Tensor* const each : read_by(layer))
      if (each->defined()) out.push_back(each);
  });
  return out;
}

}  // namespace

std::vector<at::Tensor> weights_of_products(torch::nn::Module& module) {
  std::vector<at::Tensor> out;
  for (const at::Tensor* const each : all_read_under(module)) out.push_back(*each);
  return out;
}

std::vector<at::Tensor> weights_in_use(torch::nn::Module& module) {
  std::vector<at::Tensor> out;
  module.apply([&](torch::nn::Module& layer) {
    std::vector<at::Tensor*> read = read_by(layer);
    std::erase_if(read, [](const at::Tensor* each) { return !each->defined(); });
    if (read.empty())
      for (const at::Tensor& parameter : layer.parameters(/*recurse=*/false))
        out.push_back(parameter);
    for (const at::Tensor* const each : read) out.push_back(*each);
  });
  return out;
}

UseCopies::UseCopies(torch::nn::Module& module,
                     const std::vector<std::pair<at::Tensor, at::Tensor>>& copies) {
  if (copies.empty()) return;
  for (at::Tensor* const each : all_read_under(module)) {
    const auto copy =
        std::ranges::find_if(copies, [&](const auto& pair) { return pair.first.is_same(*each); });
    if (copy == copies.end()) continue;
    former_.emplace_back(each, *each);
    *each = copy->second;
  }
}

UseCopies::~UseCopies() {
  for (auto& [place, parameter] : former_) *place = parameter;
}

}  // namespace vae_dist::model
