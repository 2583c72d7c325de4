// How a run's model is evaluated: while it trains, and by whoever looks at its checkpoints later.
#pragma once

#include "evaluate/encoded_rows.hpp"
#include "evaluate/evaluation.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::inference {

/// For evaluate(), after `steps` steps: with the M_N and beta of the last one, the run's block size, importance samples and seed.
evaluate::EvaluationOptions evaluation_options(const config::Config& config, const step::ResolvedObjective& objective, const data::SampleDataset& images, data::RowRange samples, std::int64_t steps, c10::Device device);

}  // namespace vae_dist::inference
