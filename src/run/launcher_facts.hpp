// Identifies the launcher of this process, which determines what Ctrl-C does to the run.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/clock.hpp"

namespace vae_dist::run {

struct LauncherFacts {
  enum class Kind { none, mpirun, vae_launch, slurm };
  Kind kind = Kind::none;
  /// The mpirun process (or its daemon on another host) that is an ancestor of this process; 0 if
  /// there is none.
  pid_t mpirun = 0;
  /// The time until mpirun kills its ranks. When mpirun is asked to end (Ctrl-C, SIGTERM, a dead
  /// rank), it sends its ranks CONT at once, TERM after half of this time and KILL at its end. The
  /// time is twice odls_base_sigkill_timeout, which mpirun reads from its environment.
  base::Seconds until_killed{2};
};

/// Detects the launcher of this process from its environment and its ancestors.
LauncherFacts own_launcher();

/// Describes for the start table what Ctrl-C does to a training under this launcher. Empty in a
/// batch job, where nobody can press it.
std::string ctrl_c_text(const LauncherFacts& launcher);

}  // namespace vae_dist::run
