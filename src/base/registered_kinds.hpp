// The kinds of things that register themselves, and what the configuration has to know of each.
#pragma once

#include <cstdint>

#include "base/registry.hpp"

namespace vae_dist::base {

/// What a network learns about each x.
enum class LatentKind {
  posterior,  ///< a variational autoencoder: q(z|x)
  point,      ///< an autoencoder: z = g(x)
  none,       ///< a decoder alone
};

/// `model.name`; its own keys stand under `model`.
struct Network : Item {
  LatentKind latent = LatentKind::posterior;
};

/// `train.optimizer.name`; its own keys stand under `train.optimizer`.
struct UpdateRule : Item {
  std::function<std::int64_t(const std::any& settings)> moments;  ///< how many values it keeps of each parameter
};

/// Entries of `objective.regularisers`, each with `name` and its own keys.
struct Regulariser : Item {
  bool needs_encoder = true;
};

}  // namespace vae_dist::base
