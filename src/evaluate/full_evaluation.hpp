// Everything that is known of a model on a dataset: what `vae_dist evaluate` shows.
#pragma once

#include <optional>
#include <string>

#include "evaluate/evaluation.hpp"
#include "evaluate/factor_scores.hpp"
#include "evaluate/sample_quality.hpp"

namespace vae_dist::evaluate {

struct FullEvaluation {
  Evaluation evaluation;
  double mean_image_mse = 0;
  std::optional<SampleQuality> sample_quality;
  std::optional<FactorScores> factor_scores;
  std::string no_scores_because;  ///< where the data have factors and yet there are no scores
};

/// coverage_samples: see sample_quality; 0: none. Scores are given where there is an encoder and
/// the file holds factors. The same bits at any number of ranks, if each has as many threads. A
/// collective on a host communicator.
FullEvaluation evaluate_fully(model::LatentModel& model, const objective::Objective& objective,
                              const data::SampleDataset& dataset, const EvaluationOptions& options,
                              std::int64_t coverage_samples, comm::HostCommunicator& host);

}  // namespace vae_dist::evaluate
