// Runs what may fail where nobody is left to hear of it: in a destructor, or in a process that is
// already ending for another reason.
#pragma once

#include <exception>

namespace vae_dist::base {

/// Calls `work` and returns whether it ended without an exception.
template <typename Work>
bool attempt(const Work& work) {
  try {
    work();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace vae_dist::base
