// The loss that a training step minimises, and the terms reported with it.
//
//   variational autoencoder   reconstruction + M_N * beta * KL
//                             (Kingma, Welling 2014, eq. 10; Higgins et al. 2017; PyTorch-VAE's
//                             loss_function)
//     with `capacity`         reconstruction + gamma * |KL - C|  (Burgess et al. 2018, eq. 8)
//     with K > 1 importance samples
//                             -log (1/K) sum_k w_k  (Burda et al. 2016, eq. 8)
//   autoencoder               reconstruction
//   decoder-only model        -log (1/K) sum_k p(x|z_k), z_k ~ N(0, I): an estimate of the negative
//                             log marginal likelihood
//   with `script`             what a script from Python computes (script_loss.hpp), in place of
//                             reconstruction and KL
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/term.hpp"
#include "model/latent_model.hpp"
#include "objective/kld_weight.hpp"
#include "objective/regulariser.hpp"
#include "objective/step_weights.hpp"
#include "objective/whole_batch.hpp"

namespace vae_dist::objective {

class ScriptLoss;

struct ObjectiveOptions {
  Reduction reduction = Reduction::mean;
  double free_bits = 0;                 ///< nats per latent dimension
  double capacity_gamma = 0;            ///< > 0: the capacity term replaces M_N * beta * KL
  std::int64_t importance_samples = 1;  ///< K of a variational autoencoder
  std::int64_t prior_samples = 64;      ///< K of a decoder-only model
  std::vector<Regulariser> regularisers =
      {};                   ///< of the latent code; need an encoder, and no importance samples
  double commitment = 0;    ///< weight of the distance to the codes of a quantized latent
  std::string script = {};  ///< TorchScript file of the loss; empty: the loss is one of the above
  /// The names, as terms, of what that loss reports beside what it minimises. Objective, which
  /// loads the file, fills them in.
  std::vector<std::string> script_terms = {};
  bool whole_batch = false;  ///< what is no sum over samples is computed of the global batch, not
                             ///< of each replica (whole_batch.hpp)
};

/// The terms of a loss, all scalars. `loss` carries the gradient.
struct LossTerms {
  at::Tensor loss;
  at::Tensor
      reconstruction;  ///< `mean`: per value (squared error, or nats); `sum`: nats per sample
  at::Tensor kld;      ///< nats per sample, >= 0; zero if the model has no posterior
  std::vector<at::Tensor> extra_terms;  ///< in the order of Objective::extra_terms()
  at::Tensor critics;  ///< what critics minimise, with a gradient for them alone; undefined without

  /// Returns the terms under PyTorch-VAE's keys. As there, "KLD" is -KL.
  std::map<std::string, at::Tensor> named() const {
    return {{"loss", loss}, {"Reconstruction_Loss", reconstruction}, {"KLD", -kld}};
  }
};

/// KL(q(z|x) || p(z)), averaged over a replica's batch in training and over all samples in
/// evaluation.
struct MeanKl {
  at::Tensor nats;           ///< per sample: a scalar
  at::Tensor of_dimensions;  ///< [latent]: the part of each dimension; only needed for free bits
};

class Objective {
 public:
  /// Throws base::BadInput, naming the file, if `options.script` cannot be used with the model
  /// (ScriptLoss), which is left as it was.
  Objective(const ObjectiveOptions& options, model::LatentModel& model);

  const ObjectiveOptions& options() const { return options_; }

  /// Returns how many standard normal numbers each sample carries, in a replica of
  /// `replica_samples` samples. A decoder-only model uses the same K draws for all images of a
  /// replica, so each sample carries only its share of them.
  std::int64_t noise_per_sample(std::int64_t replica_samples) const;

  /// The terms of this objective besides loss, reconstruction and KL: "effective_samples",
  /// "log_p_of_16_draws", a regulariser's value, ...
  const std::vector<base::Term>& extra_terms() const { return extra_terms_; }

  /// Whether the loss consists of the program's own reconstruction and KL, and not of a script's.
  bool is_standard() const { return script_ == nullptr; }

  /// Whether the loss draws random numbers itself (ScriptLoss::draws_numbers()).
  bool draws_numbers() const;

  /// Returns what a script computes of a batch in evaluation: the loss, and the values of
  /// ObjectiveOptions::script_terms. Empty without a script.
  std::vector<at::Tensor> script_values(const model::LatentModel& model, const Forward& forward,
                                        const model::Sample& sample,
                                        const StepWeights& weights) const;

  /// The index in extra_terms() of the squared error per value, mean over replicas; empty unless
  /// the likelihood derives its sigma from the error (LikelihoodTraits::follows_error).
  std::optional<std::size_t> squared_error_term() const { return squared_error_term_; }

  /// The index in extra_terms() of the perplexity of the codes, which the number of used codes
  /// follows. Both are functions of the codes of the whole step, so the terms of a batch hold zeros
  /// there. Empty unless the latent is quantized and its codes learn.
  std::optional<std::size_t> code_use_terms() const { return code_use_terms_; }

  /// Returns the terms of a batch, averaged over its `replicas` replicas, which have equal size and
  /// lie one after the other. Quantities of a whole batch (free bits, the distance to the capacity,
  /// the optimal sigma, a decoder's draws) are computed for each replica.
  LossTerms terms(model::LatentModel& model, const model::Sample& sample,
                  const StepWeights& weights, std::int64_t replicas = 1) const;

  // The same in two passes, if something looks at the whole batch: forward() and share() of every
  // batch, of_means() and add_pairs() once all shares are collected, then terms() of every batch.

  /// Whether anything looks at the whole batch.
  bool looks_at_whole_batch() const { return looks_at_means() || looks_at_rows(); }
  bool looks_at_rows() const;
  bool has_critics() const;

  /// Encodes a batch and draws z. Decodes it too if `decode`, or if the shares depend on the
  /// reconstruction.
  Forward forward(model::LatentModel& model, const model::Sample& sample, bool decode) const;

  /// Returns what a batch contributes, with a gradient if forward() had one.
  BatchShare share(const Forward& forward, const model::Sample& sample) const;

  /// Returns the part of W that is a function of means, and dW/dS. means: [K].
  WholeBatch of_means(const model::Likelihood& likelihood, const at::Tensor& means,
                      const StepWeights& weights) const;

  /// The number of values of all regularisers over pairs.
  std::int64_t pair_values() const;

  /// Returns the rows of samples by their names. fields: as BatchShare::rows.
  LatentRows rows_of(const std::vector<at::Tensor>& fields) const;

  /// Adds to `values`, [pair_values()], the parts of samples first .. first + count - 1 of the
  /// whole batch, and to `gradients` dW/dZ of these parts. rows, gradients: as BatchShare::rows, of
  /// all samples.
  void add_pairs(const std::vector<at::Tensor>& rows, std::int64_t first, std::int64_t count,
                 const StepWeights& weights, const std::vector<at::Tensor>& gradients,
                 const at::Tensor& values) const;

  /// Completes the W of of_means() by the values of the regularisers over pairs.
  void add_pair_values(const at::Tensor& values, const StepWeights& weights,
                       WholeBatch& whole) const;

  /// Returns the terms of a batch. What looks at the whole batch has the value of the whole, and
  /// the batch's share of its gradient. The batch's `replicas`, one after the other, matter to a
  /// script alone.
  LossTerms terms(model::LatentModel& model, const Forward& forward, const BatchShare& own,
                  const model::Sample& sample, const StepWeights& weights, const WholeBatch& whole,
                  std::int64_t replicas = 1) const;

  /// Returns the loss's unweighted penalty for the latent code, a scalar: the KL, the KL with free
  /// bits, or the distance of the KL to the capacity.
  at::Tensor charged(const MeanKl& kl, const StepWeights& weights) const;

  /// Returns the loss of a variational autoencoder without importance weighting: reconstruction +
  /// M_N * beta * charged, or reconstruction + gamma * charged with a capacity. Training and
  /// evaluation share this definition. All scalars.
  at::Tensor loss_of(const at::Tensor& reconstruction, const at::Tensor& charged,
                     const StepWeights& weights) const;

  /// Returns the values of each regulariser for a batch, averaged over its replicas: [terms] each.
  /// Undefined for a critic.
  std::vector<at::Tensor> regulariser_values(const LatentRows& rows,
                                             std::int64_t replicas = 1) const;

  /// Returns the loss plus the weighted values of the regularisers.
  at::Tensor regularised(at::Tensor loss, const std::vector<at::Tensor>& values,
                         const StepWeights& weights) const;

  /// Whether a regulariser reads draws of the prior (LatentRows::prior).
  bool uses_prior() const;

  /// Converts a negative log-likelihood in nats per sample (a number or a scalar tensor) to the
  /// reported unit: unchanged under `sum`, per value under `mean`. image_values: D.
  template <typename Nats>
  Nats shown(const Nats& nats, std::int64_t image_values) const {
    return options_.reduction == Reduction::sum ? nats
                                                : Nats(nats / static_cast<double>(image_values));
  }

  /// Returns the batch's mean -log p(x|z) in the unit that the objective reports: nats per sample
  /// under `sum`; under `mean` the squared error per value for a Gaussian of fixed sigma, and nats
  /// per value for any other likelihood.
  at::Tensor reduced(const model::LatentModel& model, const model::Decoded& decoded,
                     const model::Sample& sample) const;

 private:
  // Whether charged() of a batch equals the mean of charged() over its replicas.
  bool is_charged_as_a_sum() const;
  bool looks_at_means() const;
  bool looks_at_reconstruction() const;
  // The loss of the reconstruction and the KL, of replicas one after the other.
  at::Tensor loss_of_replicas(const Forward& forward, const LossTerms& terms,
                              const StepWeights& weights, std::int64_t replicas) const;
  // Puts the script's values behind the terms that are there, and returns the loss.
  at::Tensor add_script(const model::LatentModel& model, const Forward& forward,
                        const model::Sample& sample, const StepWeights& weights,
                        std::int64_t replicas, LossTerms& out) const;
  // Adds the critics' part of a batch to the terms.
  void add_critics(const at::Tensor& z, const CriticBatch& batch, const StepWeights& weights,
                   LossTerms& out) const;
  at::Tensor weighted(std::size_t index, const at::Tensor& values,
                      const StepWeights& weights) const;
  LossTerms with_posterior(model::LatentModel& model, const model::Sample& sample,
                           const StepWeights& weights, std::int64_t replicas) const;
  LossTerms importance_weighted(model::LatentModel& model, const model::Sample& sample,
                                std::int64_t replicas) const;
  LossTerms without_encoder(model::LatentModel& model, const model::Sample& sample,
                            std::int64_t replicas) const;

  ObjectiveOptions options_;
  base::LatentKind kind_;
  std::int64_t latent_values_;
  std::vector<base::Term> extra_terms_;
  std::optional<std::size_t> squared_error_term_, code_use_terms_;
  bool follows_error_ = false;  // the likelihood
  std::shared_ptr<const ScriptLoss> script_;
};

/// Converts the mean of Objective::reduced() to the reconstruction term of the exact negative
/// bound: -log p(x|z) in nats per sample with all constants. Not for a decoder-only model, whose
/// estimate is always in nats. image_values: D.
double reconstruction_nats(double reduced, const ObjectiveOptions& options,
                           const base::LikelihoodTraits& likelihood, std::int64_t image_values);

/// Whether the objective's reconstruction is PyTorch-VAE's plain squared error, which has no sigma.
bool is_squared_error(const ObjectiveOptions& options, const base::LikelihoodTraits& likelihood);

}  // namespace vae_dist::objective
