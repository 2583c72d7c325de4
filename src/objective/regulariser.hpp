// Loss terms that depend on the latent code, looked up by their names in the configuration.
// README.md: "Add a regulariser".
//
// A regulariser is of one of four kinds, by what a sample's gradient depends on:
//
//   a mean over samples      nothing but the sample (code_l2). Every batch computes its own.
//   a function of means      means over the whole batch, of which it is a function (dip).
//   a sum over pairs         all other samples of the whole batch (tc, mmd).
//   a critic                 a second network, which learns beside the model (factor).
//
// The last three look at the whole batch; whole_batch.hpp says how their gradients become those of
// the global batch at any number of ranks.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/registered_kinds.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::objective {

/// The latent codes of samples, in their order.
struct LatentRows {
  model::Posterior posterior;  ///< mu, log_var: [B, L]; log_var is undefined if the code is a point
  at::Tensor z;                ///< [B, L], drawn from the posterior, or the code itself
  at::Tensor prior;            ///< [B, L], draws of p(z), one for each sample and keyed by it;
                               ///< defined if a regulariser of the objective asks for them
  at::Tensor quantized = {};   ///< [B, L], z as its codes, where the latent is quantized and the
                               ///< decoder has read it (model::Decoded::quantized)

  LatentRows narrow(std::int64_t first, std::int64_t count) const;
};

/// Computes a value averaged over a batch: a scalar with a gradient. `z`: [B, L].
using MeanOverSamples =
    std::function<at::Tensor(const model::Posterior& posterior, const at::Tensor& z)>;

/// The same, of all that is known of the samples.
using MeanOverRows = std::function<at::Tensor(const LatentRows& rows)>;

/// values(means(batch)). Means of batches of equal size average to those of the whole batch.
struct FunctionOfMeans {
  std::function<std::int64_t(std::int64_t latent)> count;     ///< K of L
  std::function<at::Tensor(const LatentRows& rows)> means;    ///< [K], with a gradient
  std::function<at::Tensor(const at::Tensor& means)> values;  ///< [terms], with a gradient
};

/// A sum over all pairs of samples.
struct SumOverPairs {
  /// Returns the part of samples first .. first + count - 1 against all: [terms], with a gradient.
  /// The parts of all samples add up to the values.
  std::function<at::Tensor(const LatentRows& all, std::int64_t first, std::int64_t count)> part;
  bool uses_prior = false;     ///< it reads LatentRows::prior
  bool per_dimension = false;  ///< on a GPU `part` makes count * B * L numbers, not count * B
};

/// A network that tells codes z from codes whose dimensions are permuted independently of each
/// other over a batch, and a value that is read from it. The first half of the batch gives the
/// codes, the second the permuted ones (Kim, Mnih 2018, algorithm 2).
class Critic {
 public:
  virtual ~Critic() = default;

  /// Makes the network, for codes of so many values. To be called before all others; a second call
  /// has no effect.
  virtual void build(std::int64_t latent) = 0;
  virtual torch::nn::Module& network() = 0;

  /// Of each code, with a gradient for the codes but not for the network: [B].
  virtual at::Tensor values(const at::Tensor& z) const = 0;

  /// What the network minimises, with a gradient for it alone: [B]. is_permuted: 0 or 1, [B].
  virtual at::Tensor losses(const at::Tensor& z, const at::Tensor& is_permuted) const = 0;

  virtual double learning_rate() const = 0;       ///< of Adam, at every step
  virtual std::vector<double> betas() const = 0;  ///< of Adam
};

/// The codes that critics read of a batch.
struct CriticBatch {
  at::Tensor z;            ///< [B, L]: codes of the first half, permuted codes of the second
  at::Tensor is_permuted;  ///< [B]: 0 or 1
  at::Tensor weight;  ///< [B]: so that the mean of weighted losses is that over all codes used;
                      ///< 0 for the last sample of an odd batch
};

/// z: [B, L]; prior: [B, L], whose order in each dimension is the permutation. Without a gradient.
CriticBatch critic_batch(const at::Tensor& z, const at::Tensor& prior);

using RegulariserValue = std::variant<MeanOverSamples, MeanOverRows, FunctionOfMeans, SumOverPairs,
                                      std::shared_ptr<Critic>>;

/// The name of a value in logs and series, and the factor of the value in the loss.
struct RegulariserTerm {
  std::string name;
  double weight = 1;
};

/// What a maker returns.
struct MadeRegulariser {
  RegulariserValue value;
  std::vector<RegulariserTerm> further = {};  ///< of the second value and those after it

  // Implicit, so that a maker can return the value alone.
  template <typename Value>
  MadeRegulariser(Value made, std::vector<RegulariserTerm> others = {})
      : value(std::move(made)), further(std::move(others)) {}
};

/// The arguments with which a regulariser is made.
struct RegulariserRequest {
  std::any own;                       ///< its own settings, as registered
  double weight = 1;                  ///< as configured
  std::int64_t training_samples = 1;  ///< N

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

using MakeRegulariser = std::function<MadeRegulariser(const RegulariserRequest&)>;

/// A regulariser of a run.
struct Regulariser {
  std::vector<RegulariserTerm> terms;  ///< one for each value
  RegulariserValue value;
  std::int64_t ramp_steps = 0;  ///< its weights rise linearly from 0 over so many steps
  bool in_nats = true, estimates_total_correlation = false;  ///< see base::Regulariser

  /// Returns its values for a batch that is the whole: [terms]. Not for a critic.
  at::Tensor of(const LatentRows& rows) const;

  /// Null unless it is a critic. Evaluations do not report a critic, which judges the codes that it
  /// has seen in training.
  Critic* critic() const {
    const auto* const critic = std::get_if<std::shared_ptr<Critic>>(&value);
    return critic ? critic->get() : nullptr;
  }

  /// Returns the values. Throws std::logic_error, naming the regulariser, if their number is not
  /// that of the terms.
  at::Tensor checked(at::Tensor values) const;

  bool is_mean_over_samples() const {
    return std::holds_alternative<MeanOverSamples>(value) ||
           std::holds_alternative<MeanOverRows>(value);
  }
  bool uses_prior() const;

  /// Returns the factor of its weights at a step: 1 once the ramp is over.
  double ramp(std::int64_t step) const;
};

/// A constant of this type in a regulariser's file registers the regulariser in every program that
/// links the file. Each regulariser has the keys `weight`, `schedule` and `steps` in addition to
/// its own keys.
class RegisteredRegulariser {
 public:
  RegisteredRegulariser(base::Regulariser described, MakeRegulariser make);
};

/// Makes the regularisers that the configuration lists, in its order. The terms of the second of
/// the same name end in _2. training_samples: N.
std::vector<Regulariser> make_regularisers(const base::ItemList& listed,
                                           std::int64_t training_samples);

/// The terms that an evaluation reports: all but those of critics, in their order.
std::vector<RegulariserTerm> evaluated_terms(const std::vector<Regulariser>& regularisers);

}  // namespace vae_dist::objective
