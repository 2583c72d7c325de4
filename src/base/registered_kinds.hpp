// The kinds of things that register themselves, and what the configuration has to know of each.
#pragma once

#include <cstdint>
#include <optional>

#include "base/registry.hpp"

namespace vae_dist::base {

/// What a network learns about each x.
enum class LatentKind {
  posterior,  ///< a variational autoencoder: q(z|x)
  point,      ///< an autoencoder: z = g(x)
  none,       ///< a decoder alone
};

/// Which x a likelihood is a distribution of.
enum class Support {
  reals,        ///< a density
  zero_or_one,  ///< of values between them it is a loss, but no likelihood
  byte_levels,  ///< the 256 levels of a byte
};

/// What there is to know of a likelihood under its settings.
struct LikelihoodTraits {
  Support support = Support::reals;
  bool takes_logits = false;  ///< it squashes the decoder's output itself
  std::optional<double> fixed_sigma =
      {};  ///< a Gaussian of this standard deviation, in data units, whose reconstruction under
           ///< `mean` is the plain squared error
  bool predicts_variance = false;  ///< the decoder has a second head, log sigma^2 of every value
  bool follows_error = false;      ///< its scale is that of the batch's own squared error, of which
                                   ///< training keeps a running mean
};

/// `objective.likelihood`; its own keys stand under `objective`.
struct Likelihood : Item {
  std::function<LikelihoodTraits(const std::any& own)> traits =
      {};  ///< empty: as LikelihoodTraits begins

  LikelihoodTraits traits_of(const std::any& settings) const {
    return traits ? traits(settings) : LikelihoodTraits();
  }
};

/// `train.optimizer.name`; its own keys stand under `train.optimizer`.
struct UpdateRule : Item {
  std::function<std::int64_t(const std::any& own)> moments =
      {};  ///< how many values it keeps of each parameter; empty: none
  bool reads_exact_rate =
      false;  ///< a learning rate that lies on a GPU is read in double precision

  std::int64_t moments_of(const std::any& settings) const {
    return moments ? moments(settings) : 0;
  }
};

/// `model.name`; its own keys stand under `model`.
struct Network : Item {
  LatentKind latent = LatentKind::posterior;
};

/// Entries of `objective.regularisers`, each with `name` and its own keys.
struct Regulariser : Item {};

}  // namespace vae_dist::base
