// Error messages for a lack of memory: what a replica needs, and which larger R, with smaller
// replicas, would help.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "input/replica_plan.hpp"

namespace vae_dist::step {

/// Whether an error reports a lack of memory: on the host, on a GPU, or inside a CUDA library.
bool is_out_of_memory(const std::exception& error);

/// Returns the smallest R above the plan's that divides G into replicas of at least two samples and
/// is a multiple of the number of ranks (if `reproducible`, also a power of two). Empty if there is
/// none. Pure.
std::optional<std::int64_t> larger_replicas(const input::ReplicaPlan& plan, bool reproducible);

/// The number of values in a model's parameters.
struct ParameterCount {
  std::int64_t all = 0, trained = 0;
};

/// Returns the bytes of a rank's model in training: all parameters and, for the trained ones, their
/// gradients, optimizer moments, weight average, partial sums of
/// replicas, and copies in bfloat16. Pure.
double model_bytes(const config::Config& config, ParameterCount parameters,
                   std::int64_t replicas_per_rank);

/// The current and peak memory of this process in bytes: on a GPU that of torch's allocator, on the
/// CPU the resident set.
struct MemoryUse {
  double now = 0, peak = 0;
};
MemoryUse memory_use(c10::Device device);

/// The memory needs that are known when memory runs out.
struct MemoryNeed {
  double model = 0;             ///< model_bytes()
  double replica = 0;           ///< peak in a step, less what was held before the first step:
                                ///< activations and library buffers; 0: unknown
  bool step_completed = false;  ///< if no step was completed, the replica needs more than `replica`
  bool can_recompute = false;   ///< the network's blocks could be computed again (train.recompute)
};

/// Returns the peak of the steps less the memory in use before the first one; 0 if an earlier peak
/// hides that of the steps. Pure.
double taken_by_steps(const MemoryUse& before, const MemoryUse& now);

/// Returns the error message with what a replica needs and what the user can do. Pure.
std::string out_of_memory_text(const std::string& error, const MemoryNeed& need,
                               const input::ReplicaPlan& plan,
                               const config::DistributedConfig& config);

/// Returns the message for a model that could not be made. Pure.
std::string model_out_of_memory_text(const std::string& error);

/// Returns the message for an evaluation, which runs in batches of `batch` samples. Pure.
std::string evaluation_out_of_memory_text(const std::string& error, std::int64_t batch);

}  // namespace vae_dist::step
