// Parses the command line and runs the chosen verb.
#pragma once

#include "base/error.hpp"
#include "comm/mpi_world.hpp"
#include "launcher/failure_report.hpp"

namespace vae_dist::launcher {

/// Parses the command line and runs the verb. Invalid options are reported once (by rank 0), with
/// exit code 2.
base::ExitCode run_command(int argc, char** argv, const comm::MpiWorld& world,
                           FailureReport& report);

}  // namespace vae_dist::launcher
