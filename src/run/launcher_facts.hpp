// Who started this process, and with it: what Ctrl-C does to the run.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/clock.hpp"

namespace vae_dist::run {

struct LauncherFacts {
  enum class Kind { none, mpirun, vae_launch, slurm };
  Kind kind = Kind::none;
  /// The process mpirun, or its daemon on another host, that this one descends from; 0: there is
  /// none.
  pid_t mpirun = 0;
  /// mpirun that is asked to end (Ctrl-C, SIGTERM, a dead rank) sends its ranks CONT at once, TERM
  /// after half of this time and KILL at its end: twice odls_base_sigkill_timeout, which it takes
  /// from its environment.
  base::Seconds until_killed{2};
};

/// Of this process, from its environment and its ancestors.
LauncherFacts own_launcher();

/// What Ctrl-C will do to a training that was started so, for the start table; empty in a batch
/// job, where nobody presses it.
std::string ctrl_c_text(const LauncherFacts& launcher);

}  // namespace vae_dist::run
