// What a training step minimises, and the terms that are shown beside it.
//
//   a variational autoencoder   reconstruction + M_N * beta * KL  (Kingma, Welling 2014, eq. 10;
//   Higgins et al. 2017; PyTorch-VAE's loss_function),
//                               with `capacity` reconstruction + gamma * |KL - C|  (Burgess et al.
//                               2018, eq. 8), with K > 1 importance samples -log (1/K) sum_k w_k
//                               (Burda et al. 2016, eq. 8)
//   an autoencoder              reconstruction
//   a decoder alone             -log (1/K) sum_k p(x|z_k), z_k ~ N(0, I): the marginal likelihood's
//   estimate
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/term.hpp"
#include "model/latent_model.hpp"
#include "objective/kld_weight.hpp"
#include "objective/regulariser.hpp"

namespace vae_dist::objective {

struct ObjectiveOptions {
  Reduction reduction = Reduction::mean;
  double free_bits = 0;                 ///< nats a latent dimension
  double capacity_gamma = 0;            ///< above 0: capacity in place of M_N * beta * KL
  std::int64_t importance_samples = 1;  ///< K of a variational autoencoder
  std::int64_t prior_samples = 64;      ///< K of a decoder alone
  std::vector<Regulariser> regularisers =
      {};  ///< of the latent code; only of what has an encoder and no importance samples
};

/// What changes with the step.
struct StepWeights {
  double kld_factor = 0;     ///< M_N * beta(step)
  double capacity_nats = 0;  ///< C(step)

  /// The same as scalars on the model's device, or undefined. Where they are, the loss takes them:
  /// a step that was captured once reads its numbers there anew each time. Both ways give the same
  /// bits.
  at::Tensor kld_factor_on_device = {}, capacity_nats_on_device = {};
};

/// Scalars; the loss has a gradient.
struct LossTerms {
  at::Tensor loss;
  at::Tensor
      reconstruction;  ///< `mean`: per value (squared error, or nats); `sum`: nats per sample
  at::Tensor kld;      ///< nats per sample, >= 0; zero where there is no posterior
  std::vector<at::Tensor> others;  ///< as Objective::other_terms() names them

  /// With PyTorch-VAE's keys: "loss", "Reconstruction_Loss", and "KLD" with its sign: -KL.
  std::map<std::string, at::Tensor> named() const {
    return {{"loss", loss}, {"Reconstruction_Loss", reconstruction}, {"KLD", -kld}};
  }
};

/// KL(q(z|x) || p(z)) of samples that are looked at together: a replica's batch in training, all
/// samples in evaluation.
struct MeanKl {
  at::Tensor nats;           ///< per sample: a scalar
  at::Tensor of_dimensions;  ///< [latent]: their shares; asked for with free bits alone
};

class Objective {
 public:
  Objective(const ObjectiveOptions& options, const model::LatentModel& model);

  const ObjectiveOptions& options() const { return options_; }

  /// Standard normal numbers that a sample of a replica of `replica_samples` brings. A decoder's
  /// draws are the replica's: each of its images is explained by the same K, so each sample brings
  /// only its share.
  std::int64_t noise_per_sample(std::int64_t replica_samples) const;

  /// Terms of this objective besides loss, reconstruction and KL: "effective_samples",
  /// "log_p_of_16_draws", a regulariser's value, ...
  const std::vector<base::Term>& other_terms() const { return other_terms_; }

  /// Which of them is the squared error per value, mean over replicas, for a likelihood that
  /// follows the error; empty: none.
  std::optional<std::size_t> squared_error_term() const { return squared_error_term_; }

  /// The terms of a batch that holds `replicas` replicas of equal size, one after the other: means
  /// over them. What looks at a batch as a whole (free bits, the distance to the capacity, the
  /// optimal sigma, a decoder's draws) looks at each replica.
  LossTerms terms(model::LatentModel& model, const model::Sample& sample,
                  const StepWeights& weights, std::int64_t replicas = 1) const;

  /// What the loss charges for the latent code, before it is weighed: the KL, the KL with free
  /// bits, or its distance to the capacity. A scalar.
  at::Tensor charged(const MeanKl& kl, const StepWeights& weights) const;

  /// The loss of a variational autoencoder whose bound is not importance-weighted: reconstruction +
  /// M_N * beta * charged, or + gamma * charged with a capacity. The one place that says so, for
  /// training and evaluation. Scalars.
  at::Tensor loss_of(const at::Tensor& reconstruction, const at::Tensor& charged,
                     const StepWeights& weights) const;

  /// What each regulariser says of a batch, mean over its replicas: scalars.
  std::vector<at::Tensor> regulariser_values(const model::Posterior& posterior, const at::Tensor& z,
                                             std::int64_t replicas = 1) const;

  /// The loss with the regularisers' weighted values added.
  at::Tensor regularised(at::Tensor loss, const std::vector<at::Tensor>& values) const;

  /// A negative log-likelihood in nats per sample, a number or a scalar tensor, as the objective
  /// shows it: the same under `sum`, per value under `mean`. image_values: D.
  template <typename Nats>
  Nats shown(const Nats& nats, std::int64_t image_values) const {
    return options_.reduction == Reduction::sum ? nats
                                                : Nats(nats / static_cast<double>(image_values));
  }

  /// -log p(x|z) ([B], nats) as the objective shows it: with the seed's Gaussian of fixed sigma
  /// under `mean` the squared error per value, else nats per value under `mean`, and nats under
  /// `sum`.
  at::Tensor reduced(const model::LatentModel& model, const model::Decoded& decoded,
                     const model::Sample& sample) const;

 private:
  // Whether what is charged for a batch of several replicas is what is charged for each, on
  // average.
  bool is_charged_as_a_sum() const;
  LossTerms with_posterior(model::LatentModel& model, const model::Sample& sample,
                           const StepWeights& weights, std::int64_t replicas) const;
  LossTerms importance_weighted(model::LatentModel& model, const model::Sample& sample,
                                std::int64_t replicas) const;
  LossTerms without_encoder(model::LatentModel& model, const model::Sample& sample,
                            std::int64_t replicas) const;

  ObjectiveOptions options_;
  base::LatentKind kind_;
  std::int64_t latent_values_;
  std::vector<base::Term> other_terms_;
  std::optional<std::size_t> squared_error_term_;
};

/// The exact negative bound's reconstruction term, -log p(x|z) in nats per sample with all
/// constants, from what `reduced` gives on average (so not of a decoder alone, whose estimate is in
/// nats always). image_values: D.
double reconstruction_nats(double reduced, const ObjectiveOptions& options,
                           const base::LikelihoodTraits& likelihood, std::int64_t image_values);

/// Whether the objective's reconstruction is PyTorch-VAE's plain squared error, which knows no
/// sigma.
bool is_squared_error(const ObjectiveOptions& options, const base::LikelihoodTraits& likelihood);

}  // namespace vae_dist::objective
