// The amount of memory that this process may still allocate.
#pragma once

#include <cstdint>

namespace vae_dist::base {

/// Returns a number of bytes: the smallest of what the machine has available and what the control
/// groups (the limit of a container or a job) leave. Returns 0 if it cannot be determined.
std::uint64_t free_memory();

}  // namespace vae_dist::base
