// A request to stop, as Slurm, a launcher or a person sends it: SIGUSR1 or SIGTERM to any rank
// (mpirun passes SIGUSR1 on), Ctrl-C where it reaches the process, and SIGCONT from the mpirun that
// started it: with that, mpirun begins to end its ranks (launcher_facts.hpp).
#pragma once

#include <sys/types.h>

namespace vae_dist::run {

/// From now on these signals only set a flag; a second one changes nothing, but a second SIGINT
/// ends the process. `mpirun`: whose SIGCONT counts; 0: nobody's. (Anybody else's follows a stop,
/// as after Ctrl-Z, and is no request.)
void install_stop_signals(pid_t mpirun = 0);

bool stop_requested();

/// A descriptor that can be read once mpirun has begun to end this process; -1 unless there is an
/// mpirun.
int mpirun_ends_descriptor();

}  // namespace vae_dist::run
