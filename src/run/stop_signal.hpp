// Receives requests to stop from Slurm, a launcher or a person: SIGUSR1 or SIGTERM to any rank
// (mpirun forwards SIGUSR1), Ctrl-C if it reaches the process, and SIGCONT from the mpirun that
// started it, which is how mpirun begins to end its ranks (launcher_facts.hpp).
#pragma once

#include <sys/types.h>

namespace vae_dist::run {

/// Makes these signals set a flag. Further signals change nothing, except that a second SIGINT ends
/// the process. `mpirun` is the only process whose SIGCONT counts; 0: none. (A SIGCONT from any
/// other process follows a suspension, as after Ctrl-Z, and is not a request.)
void install_stop_signals(pid_t mpirun = 0);

bool stop_requested();

/// Returns whether mpirun has begun to end this process.
bool mpirun_ends();

/// Returns a descriptor that becomes readable once mpirun has begun to end this process; -1 without
/// mpirun.
int mpirun_ends_descriptor();

}  // namespace vae_dist::run
