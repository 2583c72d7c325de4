// The records of a step and of an evaluation, as metrics.jsonl and the event files hold them.
#pragma once

#include <cstdint>
#include <vector>

#include "metrics/step_log.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::metrics {

/// Returns every term of a step. `extra_terms`: the objective's. `global_batch`: samples per step.
LogRecord step_record(const StepMetrics& step, const std::vector<base::Term>& extra_terms,
                      std::int64_t global_batch);

/// Returns those terms of the table that this evaluation has.
LogRecord evaluation_record(const EvaluationMetrics& evaluation);

}  // namespace vae_dist::metrics
