// Identifies a build: the ID is equal for all programs of one build and differs between builds.
#pragma once

#include <string>

namespace vae_dist::launcher {

/// Returns a hash such as "0123456789abcdef" of all compiled code: that shared by vae_dist and
/// vae_dist_cuda, and that specific to each. Defined by the build (cmake/BuildId.cmake).
std::string build_id();

}  // namespace vae_dist::launcher
