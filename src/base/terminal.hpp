// The terminal, if any, that this process's stderr ends on: what is coloured and redrawn there
// would be rubbish in a file.
#pragma once

#include <cstddef>

namespace vae_dist::base {

/// Whether stderr is a terminal that knows escape sequences, or the pipe of a rank to an mpirun
/// whose own stderr is one. Decided at the first call.
bool on_terminal();

/// Columns of that terminal as it is now; 0: not known.
std::size_t terminal_columns();

}  // namespace vae_dist::base
