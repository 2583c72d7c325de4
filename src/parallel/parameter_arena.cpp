#include "parallel/parameter_arena.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <stdexcept>

namespace vae_dist::parallel {
namespace {

FlatArena make_arena(const NamedTensors& parameters, bool channels_last) {
  if (parameters.empty()) throw std::invalid_argument("the list of parameters to train is empty");
  std::vector<ArenaSlot> slots;
  for (const auto& [name, parameter] : parameters)
    append_slot(slots, name, parameter.sizes().vec(), parameter.element_size(), channels_last);
  return FlatArena(std::move(slots), parameters.front().second.options().requires_grad(false));
}

}  // namespace

ParameterArena::ParameterArena(const NamedTensors& parameters, bool channels_last,
                               const ArenaMemory& gradient_memory)
    : values_(make_arena(parameters, channels_last)),
      gradients_(values_.slots(), values_.flat().options(), gradient_memory) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    at::Tensor parameter = parameters[i].second;
    at::Tensor view = values_.view(i);
    view.copy_(parameter);
    parameter.set_data(view);
    parameter.mutable_grad() = gradients_.view(i);
  }
}

FlatArena ParameterArena::make_matching_arena() const {
  return FlatArena(slots(), values().options());
}

}  // namespace vae_dist::parallel
