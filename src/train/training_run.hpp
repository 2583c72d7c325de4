// A whole training run, from the configuration to the last checkpoint.
#pragma once

#include <exception>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "comm/mpi_world.hpp"
#include "run/run_setup.hpp"
#include "run/version.hpp"

namespace vae_dist::train {

struct TrainingRequest {
  run::RunRequest run;
  run::ProgramBuild program;
  bool dry_run = false;  ///< check configuration, data and devices, print the table, and leave
  /// Called with the run directory's `errors` folder once there is one: where a failing rank leaves
  /// its message.
  std::function<void(const std::string&)> errors_go_to;
  /// Tells people this rank's error, with lines that say more (or nothing), from whatever thread.
  std::function<void(const std::exception&, const std::string& details)> tell_failure;
};

/// Returns done, or stopped (with a checkpoint). Throws AgreedError before the first step for bad
/// input, and after it for ends that all ranks come to together; anything else is one rank's
/// failure. A collective.
base::ExitCode run_training(const TrainingRequest& request, const comm::MpiWorld& world);

}  // namespace vae_dist::train
