// What the log and the series say about a step.
#pragma once

#include "metrics/run_metrics.hpp"
#include "train/loop_parts.hpp"

namespace vae_dist::train {

metrics::StepMetrics metrics_of(const step::DoneStep& done, const LoopParts& parts);

}  // namespace vae_dist::train
