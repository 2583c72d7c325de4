// The name of this host.
#pragma once

#include <string>

namespace vae_dist::base {

/// Returns what gethostname() says; at most 255 bytes of it.
std::string host_name();

}  // namespace vae_dist::base
