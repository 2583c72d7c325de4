// Decides what a run starts from: its own newest checkpoint, the one that checkpoint.resume names,
// the weights of another run (train --from), or nothing.
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
  std::optional<checkpoint::Checkpoint> checkpoint;  ///< empty: a new run with fresh weights
  std::string origin;                                ///< where the checkpoint comes from
  bool goes_on = false;  ///< continues with the whole state; otherwise only the weights are used
  bool is_own = false;   ///< the checkpoint is in the run's own directory
};

/// Finds the beginning of a run. The run's own checkpoints take precedence: `from` and
/// checkpoint.resume only set where a new run begins. The same command line, started again (as for
/// a requeued job), therefore continues from the last own checkpoint. Exception: if the run began
/// from fresh weights and the checkpoint in checkpoint.resume is further than its own, the run
/// continues from that one. `from` names a checkpoint or a run whose weights begin this run; empty:
/// none. Reads files, so only rank 0 calls it. Throws BadInput if a named checkpoint cannot be
/// read, or if the run directory holds a different run.
RunBeginning find_beginning(const config::Config& config, const std::string& from);

/// Writes the initial checkpoint of a run that begins with a checkpoint from elsewhere. Creates the
/// run's own directory for it, so that the run no longer needs the other one. Returns the path of
/// the new checkpoint. Throws Failure.
std::filesystem::path write_beginning(const config::Config& config, const step::Learner& learner,
                                      checkpoint::TrainingState state);

/// Returns advice for messages that refuse to continue a run: "To begin a new run with these
/// weights: vae_dist train --from PLACE run.name=NEW, ...".
std::string fork_advice(const std::filesystem::path& path);

}  // namespace vae_dist::run
