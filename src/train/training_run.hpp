// Runs a whole training, from the configuration to the last checkpoint.
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
  bool dry_run = false;  ///< check configuration, data and devices, print the table, and exit
  /// Called with the run's `errors` directory once it exists: a failing rank writes its message
  /// there.
  std::function<void(const std::string&)> write_errors_to;
  /// Reports an error of this rank to the user; `details` holds further lines or is empty. Called
  /// from any thread.
  std::function<void(const std::exception&, const std::string& details)> tell_failure;
};

/// Returns done, or stopped (with a checkpoint). Throws AgreedError for bad input before the first
/// step, and later for failures that all ranks agree on. Any other exception is the failure of one
/// rank. A collective.
base::ExitCode run_training(const TrainingRequest& request, const comm::MpiWorld& world);

}  // namespace vae_dist::train
