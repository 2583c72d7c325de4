// The limit on the number of files that this process may have open.
#pragma once

#include <cstddef>

namespace vae_dist::base {

/// Raises the soft limit of this process (`ulimit -Sn`, mostly 1024) as far as the hard limit
/// (`ulimit -Hn`) allows. Call it once, at program start.
void raise_descriptor_limit();

/// Returns the current limit.
std::size_t descriptor_limit();

/// Returns how many files of one kind a data reader may keep open, so that the limit leaves room
/// for everything else (other kinds, sockets, libraries).
std::size_t descriptors_for_data();

}  // namespace vae_dist::base
