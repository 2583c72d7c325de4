// Where the time of a step goes.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/measured_run.hpp"
#include "bench/training_bench.hpp"

namespace vae_dist::bench {

/// Returns the seconds of a step by part: data, forward, backward, exchange (waiting for the rest
/// of it after backward), optimizer, other, and last "step", which is their sum. Means over `steps`
/// steps, by rank. On a GPU, the caveats of StepParts apply. A collective.
std::vector<StepPart> parts_of_a_step(MeasuredRun& run, std::int64_t steps,
                                      comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::bench
