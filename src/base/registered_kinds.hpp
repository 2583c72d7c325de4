// The kinds of registered items, and what the configuration needs to know about each.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "base/registry.hpp"

namespace vae_dist::base {

/// What a network infers about each x.
enum class LatentKind {
  posterior,  ///< a variational autoencoder: q(z|x)
  point,      ///< an autoencoder: z = g(x)
  none,       ///< a decoder alone
};

/// The set of values x that a likelihood is a distribution over.
enum class Support {
  reals,        ///< a density
  zero_or_one,  ///< for values in between it is a loss, but not a likelihood
  byte_levels,  ///< the 256 levels of a byte
  counts,       ///< whole numbers from 0 on, as they are stored: neither scaled nor shifted
};

/// What a decoder gives beside its output, if the likelihood asks for it: log sigma^2, the logits
/// of zeros, ...
struct SecondHead {
  enum class Of {
    nothing,  ///< there is no second head
    values,   ///< one number for every value
    sample,   ///< one number for the whole sample
  };

  Of of = Of::nothing;
  const char* layer = "log_variance_layer";                 ///< the layer's name in checkpoints
  double least = -std::numeric_limits<double>::infinity();  ///< what is less is raised to this
};

/// The properties of a likelihood under its settings.
struct LikelihoodTraits {
  Support support = Support::reals;
  bool takes_logits = false;  ///< it applies the sigmoid to the decoder's output itself
  std::optional<double> fixed_sigma =
      {};  ///< standard deviation, in data units, of a Gaussian whose reconstruction under `mean`
           ///< is the plain squared error
  SecondHead second_head = {};
  bool follows_error = false;  ///< its scale follows the squared error of the batch; training
                               ///< keeps a running mean of it
};

/// A value of `objective.likelihood`. Its own keys are under `objective`.
struct Likelihood : Item {
  std::function<LikelihoodTraits(const std::any& own)> traits =
      {};  ///< empty: the defaults of LikelihoodTraits

  LikelihoodTraits traits_of(const std::any& settings) const {
    return traits ? traits(settings) : LikelihoodTraits();
  }
};

/// A value of `train.optimizer.name`. Its own keys are under `train.optimizer`.
struct UpdateRule : Item {
  std::function<std::int64_t(const std::any& own)> moments =
      {};  ///< number of values that it keeps per parameter; empty: none
  bool reads_exact_rate =
      false;  ///< it reads a learning rate that is on the GPU in double precision

  std::int64_t moments_of(const std::any& settings) const {
    return moments ? moments(settings) : 0;
  }
};

/// A value of `model.name`. Its own keys are under `model`.
struct Network : Item {
  LatentKind latent = LatentKind::posterior;
  bool has_blocks = false;       ///< its blocks can be computed again in backward (train.recompute)
  bool takes_condition = false;  ///< it computes q(z|x,y) and p(x|z,y) (model::Sample::condition)
  /// Its layers come from elsewhere, so that no key says how they are, and batch norm among them
  /// cannot be given the statistics of the global batch.
  bool foreign_layers = false;
  /// If set, gives `latent` as a function of the network's own settings.
  std::function<LatentKind(const std::any& own)> latent_of = {};

  LatentKind latent_under(const std::any& settings) const {
    return latent_of && settings.has_value() ? latent_of(settings) : latent;
  }
};

/// A value of `data.transform`.
struct Transform : Item {};

/// An entry of `data.train.condition`, with `name` and its own keys.
struct Condition : Item {};

/// An entry of `objective.regularisers`, with `name` and its own keys.
struct Regulariser : Item {
  bool needs_posterior = false;  ///< it reads log_var, so a point latent is refused
  /// Whether its weight is that of a bound in nats, so that under `reduction: mean` a variational
  /// model multiplies it by M_N, as it does the KL. Otherwise the weight stays as it is written.
  bool in_nats = false;
  /// It estimates the total correlation of the code, which evaluations then show against the
  /// posteriors of all training rows.
  bool estimates_total_correlation = false;
  bool reads_training_samples = false;  ///< its value depends on N
};

}  // namespace vae_dist::base
