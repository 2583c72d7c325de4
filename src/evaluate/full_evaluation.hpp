// All figures of a model on a dataset, as `vae_dist evaluate` shows them.
#pragma once

#include <optional>
#include <string>

#include "evaluate/aggregate_parts.hpp"
#include "evaluate/channel_figures.hpp"
#include "evaluate/evaluation.hpp"
#include "evaluate/factor_scores.hpp"
#include "evaluate/latent_statistics.hpp"
#include "evaluate/sample_quality.hpp"

namespace vae_dist::evaluate {

struct FullEvaluation {
  Evaluation evaluation;
  double mean_image_mse = 0;
  std::optional<SampleQuality> sample_quality;
  std::optional<FactorScores> factor_scores;
  std::optional<LatentStatistics> latent_statistics;  ///< only if asked for
  std::optional<ChannelFigures> channel_figures;      ///< only if asked for
  std::optional<AggregateParts> aggregate;            ///< only if asked for
  std::string no_scores_because;  ///< why there are no scores although the data have factors
};

/// Computes all figures. coverage_samples: see sample_quality; 0: no coverage. Factor scores need
/// an encoder and a file with factors. The result has the same bits for any number of ranks, if
/// each has the same number of threads. A collective over `all_ranks`.
FullEvaluation evaluate_fully(model::LatentModel& model, const objective::Objective& objective,
                              const data::SampleDataset& dataset, const EvaluationOptions& options,
                              std::int64_t coverage_samples, comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
