// How good a model is on a dataset, exact over any number of ranks.
//
// Samples are evaluated in blocks; block b is rank (b mod np)'s. Each block's sums are float64 and
// are added up in block order, so the result has the same bits at any number of ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "evaluate/image_scores.hpp"
#include "objective/objective.hpp"

namespace vae_dist::evaluate {

struct EvaluationOptions {
  data::InputFormat format;
  objective::StepWeights weights;       ///< of training
  std::int64_t block = 256;             ///< samples evaluated at once
  std::int64_t first = 0;               ///< sample of the dataset
  std::int64_t samples = 0;             ///< so many from there on
  std::int64_t importance_samples = 0;  ///< K for log p(x); 0: not estimated
  std::uint64_t seed = 0;               ///< of the draws, which follow from it and the sample alone
  bool is_likelihood =
      true;  ///< false: negative logarithms are no comparable numbers (Bernoulli on grey values)
  std::optional<double> fixed_sigma;  ///< of a Gaussian whose deviation nothing fits to the data
};

/// In evaluation mode (running batch-norm statistics).
struct Evaluation {
  std::int64_t samples = 0;
  double loss = 0;  ///< the training objective with one draw of the posterior: reconstruction + M_N
                    ///< * beta * KL, or what is in its place
  double reconstruction = 0;  ///< of the same draw, as the loss reduces it
  double kld_nats = 0;        ///< per sample; 0 where there is no posterior
  double mse = 0;  ///< per value, on [0, 1] whatever the model's range, of the reconstruction from
                   ///< the posterior's mean; not for a decoder alone
  bool reconstructs = true;  ///< false for a decoder alone: mse means nothing

  /// -reconstruction - KL with all constants, in nats per sample: beta is 1, sigma the stated one.
  /// Absent where there is no posterior or likelihood.
  std::optional<double> elbo_nats;
  /// The Gaussian's standard deviation where it is a constant of the configuration: bounds and log
  /// p are then no tuned likelihood, and no figures to compare with others'.
  std::optional<double> fixed_sigma;
  /// -elbo / (D ln 2), + 8 for a density on [0, 1] (+ 7 on [-1, 1]): the bits of a value of 256
  /// levels, + 0 for probabilities of discrete values.
  std::optional<double> bits_per_dim;

  struct LogP {
    std::int64_t draws = 1;
    double nats = 0;  ///< mean over samples
  };
  /// Estimates of log p(x), each with more draws, the last with all: importance-weighted where
  /// there is a posterior, of the prior for a decoder alone.
  std::vector<LogP> log_p;
  std::optional<double> effective_samples;  ///< of the weights of all draws, mean over samples

  std::vector<double> kld_per_dimension;     ///< nats
  std::vector<double> latent_variance;       ///< Var_x of E[z_j|x]
  std::optional<std::int64_t> active_units;  ///< latent_variance above kActiveVariance

  static constexpr double kActiveVariance = 0.01;  ///< Burda et al. 2016, section 5.2

  /// Peak signal-to-noise ratio of the mean squared error, in decibels.
  double psnr() const { return psnr_db(mse); }
};

/// A collective on a host communicator. Leaves the model in the mode it was in.
Evaluation evaluate(model::LatentModel& model, const objective::Objective& objective,
                    const data::SampleDataset& dataset, const EvaluationOptions& options,
                    comm::HostCommunicator& host);

}  // namespace vae_dist::evaluate
