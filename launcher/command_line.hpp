// From the command line to a verb.
#pragma once

#include "base/error.hpp"
#include "comm/mpi_world.hpp"
#include "launcher/failure_report.hpp"

namespace vae_dist::launcher {

/// Parses and runs. Wrong options are told once (by rank 0), with exit code 2.
base::ExitCode run_command(int argc, char** argv, const comm::MpiWorld& world,
                           FailureReport& report);

}  // namespace vae_dist::launcher
