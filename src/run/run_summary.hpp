// Summarizes a run when it ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "evaluate/measure.hpp"
#include "run/run_directory.hpp"

namespace vae_dist::run {

/// An evaluation on the validation rows, by what the run compares them (checkpoint.best).
struct ValidationResult {
  evaluate::Measure measure;
  double value = 0;
  std::int64_t step = 0;
};

struct SummaryFacts {
  bool stopped = false;  ///< stopped on request, can continue later
  std::int64_t steps = 0, last_step = 0, global_batch = 0;  ///< steps: done by this process
  base::Seconds time{0};
  std::optional<ValidationResult> best;
  std::optional<double> joules = {};  ///< used by all ranks in that time; empty: no meter
  std::string checkpoint;             ///< the directory of the last checkpoint
};

/// Returns "done: 1500 steps in 0:01:23, 1156 samples/s" and a line for each result: the best
/// validation, the last checkpoint, report, pictures, metrics.
std::string run_summary(const SummaryFacts& facts, const RunDirectory& directory);

}  // namespace vae_dist::run
