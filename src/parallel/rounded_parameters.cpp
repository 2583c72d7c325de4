#include "parallel/rounded_parameters.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace vae_dist::parallel {

RoundedParameters::RoundedParameters(const ParameterArena& parameters, const NamedTensors& leaves,
                                     const std::vector<at::Tensor>& wanted)
    : parameters_(parameters),
      rounded_(parameters.slots(), parameters.values().options().dtype(at::kBFloat16)),
      leaves_(leaves) {
  for (std::size_t slot = 0; slot < leaves_.size(); ++slot) {
    at::Tensor& leaf = leaves_[slot].second;
    if (std::ranges::none_of(wanted, [&](const at::Tensor& each) { return each.is_same(leaf); }))
      continue;
    // A view that autograd does not know as one: it must be a leaf.
    const at::Tensor copy = rounded_.view(slot).detach().requires_grad_();
    copies_.emplace_back(leaf, copy);
    leaf = copy;
  }
}

void RoundedParameters::refresh() {
  const at::NoGradGuard no_grad;
  rounded_.flat().copy_(parameters_.values());
}

}  // namespace vae_dist::parallel
