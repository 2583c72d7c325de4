// The batches that a rank trains on, from any step on.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

#include "config/config.hpp"
#include "data/batch_memory.hpp"
#include "data/prefetching_loader.hpp"
#include "step/replica_plan.hpp"

namespace vae_dist::step {

struct BatchSource {
  const config::Config& config;
  const data::SampleDataset& train;
  const ReplicaPlan& plan;
  std::int64_t noise_per_sample;  ///< Objective::noise_per_sample() of a replica's samples
  c10::Device device;
  comm::HostCommunicator& node;  ///< the ranks that share this one's memory
  comm::HostCommunicator& host;
};

/// Makes batches ahead, from step `step` of epoch `epoch` on. What does not lie in memory is
/// streamed through a ring of chunks that the node's ranks share, unless its order leaps over all
/// samples. Batches lie in memory that `device` copies from by itself. A collective.
std::unique_ptr<data::PrefetchingLoader> training_batches(const BatchSource& source,
                                                          std::int64_t epoch, std::int64_t step);

/// Where the batches of such a run lie: on the CPU in plain memory that is used again, for a GPU in
/// pinned memory.
data::BatchMemory batch_memory_for(c10::Device device);

}  // namespace vae_dist::step
