// What was built: the same in all programs of one build, and another in those of any other.
#pragma once

#include <string>

namespace vae_dist::launcher {

/// "0123456789abcdef": a hash of the code that vae_dist and vae_dist_cuda have in common, and of
/// what each has alone. Defined by the build (cmake/BuildId.cmake).
std::string build_id();

}  // namespace vae_dist::launcher
