// Transforms of stored values before normalisation, such as the logarithm: registered items, which
// `data.transform` chooses. See "Add a transform" in README.md.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <string>

#include "base/registered_kinds.hpp"

namespace vae_dist::data {

/// y = f(x), value by value. f increases strictly where it is defined.
struct Transform {
  at::Tensor (*apply)(const at::Tensor& x);           ///< f(x)
  at::Tensor (*undo)(const at::Tensor& y);            ///< x
  at::Tensor (*log_derivative)(const at::Tensor& x);  ///< log f'(x)
  /// The values above `above` have an f(x), and this one if `from` says so.
  double above = -std::numeric_limits<double>::infinity();
  bool includes_bound = false;
};

/// Registers a transform: one constant of this type in its file.
using RegisteredTransform = base::Registered<base::Transform, Transform>;

/// Returns the transform of this name. Throws std::logic_error if it is not registered.
inline const Transform& transform_named(const std::string& name) {
  base::Registry<base::Transform>::all().at(name);
  return base::makers<Transform>().at(name);
}

}  // namespace vae_dist::data
