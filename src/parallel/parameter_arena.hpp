// The parameters that are trained, in one flat arena, and their gradients in another of the same
// layout.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "parallel/flat_arena.hpp"

namespace vae_dist::parallel {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

class ParameterArena {
 public:
  /// Moves each parameter's value into the arena and makes the parameter, and its .grad, views of
  /// it. All have one type and device. `channels_last`: 4-d parameters are stored as NHWC, the
  /// order in which the convolutions run. `gradient_memory` makes the gradients' arena.
  ParameterArena(const NamedTensors& parameters, bool channels_last,
                 const ArenaMemory& gradient_memory = ordinary_memory);

  const at::Tensor& values() const { return values_.flat(); }
  const at::Tensor& gradients() const { return gradients_.flat(); }
  at::Tensor gradient(std::size_t slot) const {
    return gradients_.view(slot);
  }  ///< a parameter's .grad
  const std::vector<ArenaSlot>& slots() const { return values_.slots(); }

  /// A further arena of the same layout (optimizer moments), zeros.
  FlatArena make_companion() const;

 private:
  FlatArena values_, gradients_;
};

}  // namespace vae_dist::parallel
