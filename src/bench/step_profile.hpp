// Where a step goes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/measured_run.hpp"

namespace vae_dist::bench {

/// Seconds of a step by part: data, forward, backward, exchange (waiting for what is left of it
/// after backward), optimizer, other, and last "step", which is their sum. Means over `steps` steps
/// and all ranks. On a GPU as StepParts says. A collective.
std::vector<std::pair<std::string, double>> parts_of_a_step(MeasuredRun& run, std::int64_t steps,
                                                            comm::HostCommunicator& host);

}  // namespace vae_dist::bench
