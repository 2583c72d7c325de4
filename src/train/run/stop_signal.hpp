// A request to stop, as Slurm, a launcher or a person sends it: SIGUSR1 or SIGTERM to any rank (mpirun passes SIGUSR1 on).
#pragma once

namespace vae_dist {

/// From now on both signals only set a flag; a second one changes nothing.
void install_stop_signals();

bool stop_requested();

}  // namespace vae_dist
