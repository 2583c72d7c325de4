// The training batches of a rank, starting at any step.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

#include "config/config.hpp"
#include "data/batch_memory.hpp"
#include "data/prefetching_loader.hpp"
#include "input/replica_plan.hpp"

namespace vae_dist::input {

struct BatchSource {
  const config::Config& config;
  const data::SampleDataset& train;
  const ReplicaPlan& plan;
  std::int64_t noise_per_sample;  ///< Objective::noise_per_sample() of a replica's samples
  c10::Device device;
  comm::CpuCommunicator& node;  ///< the ranks that share this one's memory
  comm::CpuCommunicator& all_ranks;
};

/// Returns what determines the order of the run's samples. data.order, data.sections and
/// data.shuffle_window_chunks must be resolved.
data::OrderPlan order_plan(const config::Config& config, const ReplicaPlan& plan);

/// Makes a loader that prefetches batches, starting at step `step` of epoch `epoch`. A dataset that
/// is not in memory is streamed, by sections or through a ring of chunks that the node's ranks
/// share, unless its order shuffles over all samples. Batches lie in the memory of
/// batch_memory_for(). A collective.
std::unique_ptr<data::PrefetchingLoader> training_batches(const BatchSource& source,
                                                          std::int64_t epoch, std::int64_t step);

/// Returns the memory for batches: plain memory that is reused on the CPU, pinned memory for a GPU.
data::BatchMemory batch_memory_for(c10::Device device);

}  // namespace vae_dist::input
