// How many files this process may have open.
#pragma once

#include <cstddef>

namespace vae_dist::base {

/// Raises the process's own limit (`ulimit -Sn`, mostly 1024) to the highest that it may set itself
/// (`ulimit -Hn`). Called once, at the start of a program.
void raise_descriptor_limit();

/// The limit as it is now.
std::size_t descriptor_limit();

/// How many files of one kind a reader of data keeps open at most, so that the limit leaves room
/// for everything else (other kinds, sockets, libraries).
std::size_t descriptors_for_data();

}  // namespace vae_dist::base
