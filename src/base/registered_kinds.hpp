// The kinds of things that register themselves, and what the configuration has to know of each.
#pragma once

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

/// Entries of `objective.regularisers`, each with `name` and its own keys.
struct Regulariser : Item {};

}  // namespace vae_dist::base
