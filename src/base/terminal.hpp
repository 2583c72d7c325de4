// Finds the terminal that this process's stderr ends on, if any: colours and redrawn lines would be
// garbage in a file.
#pragma once

#include <cstddef>

namespace vae_dist::base {

/// Returns whether stderr is a terminal that understands escape sequences, or a rank's pipe to an
/// mpirun whose own stderr is such a terminal. Decided at the first call.
bool on_terminal();

/// Returns the current number of columns of that terminal, or 0 if it is unknown.
std::size_t terminal_columns();

}  // namespace vae_dist::base
