// A step that finds no memory: what a replica needs, and a larger R, whose replicas are smaller.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "step/replica_plan.hpp"

namespace vae_dist::step {

/// Whether an error says that memory has run out: the host's, a GPU's, or inside a library of
/// CUDA's.
bool is_out_of_memory(const std::exception& error);

/// The smallest R above the plan's that cuts G into parts of at least two samples and is a multiple
/// of the ranks; a power of two where the run is `reproducible`. Nothing where there is none. Pure.
std::optional<std::int64_t> larger_replicas(const ReplicaPlan& plan, bool reproducible);

/// How many values a model's parameters have.
struct ParameterCount {
  std::int64_t all = 0, trained = 0;
};

/// Bytes of a rank's model as it is trained: values, and of what is trained gradients, the
/// optimizer's moments, the average of the weights, and partial sums of replicas. Pure.
double model_bytes(const config::Config& config, ParameterCount parameters,
                   std::int64_t replicas_per_rank);

/// What this process holds now, and held at most, in bytes: on a GPU in torch's allocator, on the
/// CPU resident in memory.
struct MemoryUse {
  double now = 0, peak = 0;
};
MemoryUse memory_use(c10::Device device);

/// What is known when memory runs out.
struct MemoryNeed {
  double model = 0;             ///< model_bytes()
  double replica = 0;           ///< most that was held in a step beyond what was before the first:
                                ///< activations, and buffers of the libraries; 0: not known
  bool step_completed = false;  ///< whether any was: else the replica needs more than that
};

/// What steps took beyond what there was before the first, from what was held then and now; 0 where
/// something before them took more. Pure.
double taken_by_steps(const MemoryUse& before, const MemoryUse& now);

/// The error with what a replica needs and what can be done. Pure.
std::string out_of_memory_text(const std::string& error, const MemoryNeed& need,
                               const ReplicaPlan& plan, const config::DistributedConfig& config);

/// The same of a model that could not be made. Pure.
std::string model_out_of_memory_text(const std::string& error);

/// The same of an evaluation, which runs in batches of `batch` samples. Pure.
std::string evaluation_out_of_memory_text(const std::string& error, std::int64_t batch);

}  // namespace vae_dist::step
