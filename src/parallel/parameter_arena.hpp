// The trained parameters in one flat arena, and their gradients in another one of the same layout.
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
  /// Moves each parameter's value into the arena and makes the parameter and its .grad views of the
  /// arenas. All parameters must have the same type and device. `channels_last` stores 4-d
  /// parameters as NHWC and 5-d ones as NDHWC, the layouts used by the convolutions.
  /// `gradient_memory` allocates the gradients' arena.
  ParameterArena(const NamedTensors& parameters, bool channels_last,
                 const ArenaMemory& gradient_memory = ordinary_memory);

  const at::Tensor& values() const { return values_.flat(); }
  const at::Tensor& gradients() const { return gradients_.flat(); }
  at::Tensor gradient(std::size_t slot) const {
    return gradients_.view(slot);
  }  ///< a parameter's .grad
  const std::vector<ArenaSlot>& slots() const { return values_.slots(); }

  /// Makes another arena of the same layout, filled with zeros (for optimizer moments).
  FlatArena make_matching_arena() const;

 private:
  FlatArena values_, gradients_;
};

}  // namespace vae_dist::parallel
