// Where a run starts from: its own newest checkpoint, one that checkpoint.resume names, another
// run's weights (train --from), or nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "run/run_directory.hpp"
#include "step/learner.hpp"

namespace vae_dist::run {

struct RunBeginning {
  std::optional<checkpoint::Checkpoint> checkpoint;  ///< empty: a new run with weights of its own
  std::string origin;                                ///< where the checkpoint comes from
  bool goes_on = false;  ///< with everything that is in it; else its weights alone begin a new run
  bool is_own = false;   ///< it lies in the run's own directory
};

/// The run's own checkpoints decide wherever there are any: what `from` or checkpoint.resume name
/// is only a run's beginning, so that the same command line started again (a job that is queued
/// again) goes on from what the run has reached. But where a run began by itself, a checkpoint that
/// checkpoint.resume names and that is further than its own is gone on from. `from`: a checkpoint
/// or a run whose weights begin this one; empty: none. Reads files: rank 0's part. Throws BadInput:
/// nothing to read where something was named, a run directory that holds another run than the one
/// meant.
RunBeginning find_beginning(const config::Config& config, const std::string& from);

/// The checkpoint that a run has before its first step when it begins with what comes from
/// elsewhere: written into its own directory, which is made, so that the run needs the other one no
/// longer. Returns where it is. Throws Failure.
std::filesystem::path write_beginning(const config::Config& config, const step::Learner& learner,
                                      checkpoint::TrainingState state);

/// "To begin a new run with these weights instead: vae_dist train --from PLACE run.name=NEW", for
/// refusals to go on.
std::string fork_advice(const std::filesystem::path& place);

}  // namespace vae_dist::run
