// Parses the command line and runs the chosen verb.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/mpi_world.hpp"
#include "launcher/failure_report.hpp"

namespace vae_dist::launcher {

/// The options with which a command line may begin that has no verb, and trains.
inline const std::vector<std::string> kBeginTraining = {"--config", "--from", "--dry-run"};

/// Parses the command line and runs the verb. Invalid options are reported once (by rank 0), with
/// exit code 2.
base::ExitCode run_command(int argc, char** argv, const comm::MpiWorld& world,
                           FailureReport& report);

}  // namespace vae_dist::launcher
