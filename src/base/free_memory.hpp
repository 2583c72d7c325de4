// How much memory this process may still take.
#pragma once

#include <cstdint>

namespace vae_dist::base {

/// Bytes: the least of what the machine has available and what the control groups (a container's or
/// a job's limit) leave. 0 where it cannot be told.
std::uint64_t free_memory();

}  // namespace vae_dist::base
