// Copies of parameters in bfloat16, all made by one operation.
//
// Automatic mixed precision rounds each weight with a kernel of its own in every forward, and
// converts each weight's gradient with another one. Here one copy of the whole arena serves all
// layers, and the gradients of the copies are converted where they move into the arena of the
// gradients (gradient_reducer.hpp). The values are the same, and the parameters, their gradients in
// the arena and their updates remain in full precision.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "parallel/parameter_arena.hpp"

namespace vae_dist::parallel {

class RoundedParameters {
 public:
  /// `wanted`: those of the arena's parameters, `leaves` in its order, that get a copy. The copies
  /// are leaves of autograd with the parameters' shapes and strides; refresh() fills them.
  RoundedParameters(const ParameterArena& parameters, const NamedTensors& leaves,
                    const std::vector<at::Tensor>& wanted);

  /// Rounds the present values. To be called after each change of the parameters, before a forward
  /// that uses the copies.
  void refresh();

  /// Pairs of a parameter and its copy.
  const std::vector<std::pair<at::Tensor, at::Tensor>>& copies() const { return copies_; }

  /// The leaves with copies in the place of their parameters.
  const NamedTensors& leaves() const { return leaves_; }

 private:
  const ParameterArena& parameters_;
  FlatArena rounded_;
  std::vector<std::pair<at::Tensor, at::Tensor>> copies_;
  NamedTensors leaves_;
};

}  // namespace vae_dist::parallel
