// Where the time of a step goes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/measured_run.hpp"

namespace vae_dist::bench {

/// Returns the seconds of a step by part: data, forward, backward, exchange (waiting for the rest
/// of it after backward), optimizer, other, and last "step", which is their sum. Means over `steps`
/// steps and all ranks. On a GPU, the caveats of StepParts apply. A collective.
std::vector<std::pair<std::string, double>> parts_of_a_step(MeasuredRun& run, std::int64_t steps,
                                                            comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::bench
