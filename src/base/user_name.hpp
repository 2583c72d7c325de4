// Who runs this process.
#pragma once

#include <string>

namespace vae_dist::base {

/// The name of the user whose process this is, or the number where the system has no name for it (a
/// container). Never empty.
std::string user_name();

}  // namespace vae_dist::base
