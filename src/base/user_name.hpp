// Finds the user who runs this process.
#pragma once

#include <string>

namespace vae_dist::base {

/// Returns the name of the user who runs this process, or the user id if the system has no name for
/// it (in a container). Never empty.
std::string user_name();

}  // namespace vae_dist::base
