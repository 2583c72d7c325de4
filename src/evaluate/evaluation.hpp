// Measures how good a model is on a dataset, with the same result for any number of ranks.
//
// Samples are evaluated in blocks, consecutive ones by each rank. Each block's float64 sums are
// added in block order, so the result has the same bits for any number of ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "evaluate/image_scores.hpp"
#include "evaluate/model_pictures.hpp"
#include "objective/objective.hpp"

namespace vae_dist::evaluate {

struct EvaluationOptions {
  data::InputFormat format;
  objective::StepWeights weights;  ///< those of training
  /// Those at the end of the schedules of beta and C; absent if they never move.
  std::optional<objective::StepWeights> final_weights = {};
  std::int64_t block = 256;             ///< samples evaluated at once
  std::int64_t first = 0;               ///< first sample of the dataset
  std::int64_t samples = 0;             ///< number of samples from there on
  std::int64_t importance_samples = 0;  ///< K for log p(x); 0: not estimated
  std::uint64_t seed = 0;               ///< of the draws, which depend only on it and the sample
  bool is_likelihood =
      true;  ///< false: negative logarithms are not comparable (Bernoulli on grey values)
  std::optional<double> fixed_sigma;  ///< of a Gaussian whose deviation is not fitted to the data
  /// What of p(x|z) is compared with the data's distribution: draws or, if the loss knows nothing
  /// of the likelihood's noise, means.
  Values compared_values = Values::sample;
};

/// Results in evaluation mode (with running batch-norm statistics).
struct Evaluation {
  std::int64_t samples = 0;
  bool conditional = false;  ///< whether the model is told y of each sample: all bounds and
                             ///< likelihoods are then those of p(x|y)
  double loss = 0;  ///< the training objective with one draw of the posterior: reconstruction + M_N
                    ///< * beta * KL, or the objective's own combination
  /// The same at EvaluationOptions::final_weights; absent without them. Unlike `loss` it can be
  /// compared between steps.
  std::optional<double> final_loss = {};
  double reconstruction = 0;  ///< of the same draw, reduced as in the loss
  double kld_nats = 0;        ///< per sample; 0 without a posterior
  double mse = 0;  ///< per value, on [0, 1] for any range of the model, of the reconstruction from
                   ///< the posterior mean; not for a decoder-only model
  bool reconstructs = true;  ///< false for a decoder-only model, whose mse is meaningless

  /// -reconstruction - KL with all constants, in nats per sample, for beta 1 and the stated sigma.
  /// Absent without a posterior or a likelihood. With a normalisation, this and log_p are of the
  /// file's own values: they include log |dx / d stored|.
  std::optional<double> elbo_nats;
  /// The Gaussian's standard deviation, if it is a constant of the configuration. Bounds and log p
  /// are then not tuned likelihoods and must not be compared with others' figures.
  std::optional<double> fixed_sigma;
  /// -elbo / (D ln 2), + 8 for a density on [0, 1] (+ 7 on [-1, 1]): the bits of a value with 256
  /// levels; + 0 for probabilities of discrete values, and for the density of normalised values in
  /// the file's units.
  std::optional<double> bits_per_dim;

  struct LogP {
    std::int64_t draws = 1;
    double nats = 0;  ///< mean over samples
  };
  /// Estimates of log p(x) with increasing numbers of draws, the last with all: importance-weighted
  /// if there is a posterior, from draws of the prior for a decoder-only model.
  std::vector<LogP> log_p;
  std::optional<double>
      effective_samples;  ///< effective sample size of all draws, mean over samples

  std::vector<double> kld_per_dimension;     ///< nats
  std::vector<double> latent_variance;       ///< Var_x of E[z_j|x]
  std::optional<std::int64_t> active_units;  ///< latent_variance above kActiveVariance

  /// The unweighted value of each regulariser by its term: the mean over blocks, weighted with
  /// their samples.
  std::vector<std::pair<std::string, double>> regularisers;
  /// The values that a loss from a script reports (ObjectiveOptions::script_terms), likewise.
  std::vector<std::pair<std::string, double>> script_terms;

  static constexpr double kActiveVariance = 0.01;  ///< Burda et al. 2016, section 5.2

  /// Returns the peak signal-to-noise ratio of the mean squared error, in decibels.
  double psnr() const { return psnr_db(mse); }
};

/// Returns the numbers of draws for which an evaluation estimates log p(x), ascending: those
/// requested, and the number that the training objective draws.
std::vector<std::int64_t> counts_of_draws(base::LatentKind kind,
                                          const objective::ObjectiveOptions& objective,
                                          const EvaluationOptions& options);

/// Evaluates the model and leaves it in the mode it was in. A collective over `all_ranks`.
Evaluation evaluate(model::LatentModel& model, const objective::Objective& objective,
                    const data::SampleDataset& dataset, const EvaluationOptions& options,
                    comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
