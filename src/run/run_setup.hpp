// Sets up a run before anything expensive starts: the resolved configuration and the state to
// continue from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "run/run_directory.hpp"
#include "run/run_lock.hpp"

namespace vae_dist::run {

/// A run as requested on the command line.
struct RunRequest {
  std::string config_file;  ///< empty: use the configuration of the checkpoint `from`
  std::vector<std::string> overrides;
  std::string from;  ///< a checkpoint or run whose weights the run begins with; empty: none
};

struct RunSetup {
  config::Config config;            ///< resolved: global_batch and replicas are set
  checkpoint::TrainingState state;  ///< before the next step; step 0 for a new run
  /// An existing run continues; otherwise a new run begins, perhaps with given weights.
  bool resumed = false;
  /// Rank 0 only: the checkpoint to continue from or to begin with.
  std::optional<checkpoint::Checkpoint> checkpoint;
  std::string origin;             ///< where the checkpoint comes from
  bool is_elsewhere = false;      ///< rank 0 only: the origin is not the run's own directory
  std::unique_ptr<RunLock> lock;  ///< rank 0 only: the lock of the run directory
};

/// Takes the lock of a run directory and creates the directory if needed. Throws BadInput if
/// another run trains in it.
using LockRun = std::function<std::unique_ptr<RunLock>(const RunDirectory&)>;

/// Returns the configuration that `request` asks for: that of its file, or that of the checkpoint
/// that the run begins with. Throws BadInput.
config::Config requested_config(const RunRequest& request);

/// Sets up the run on rank 0 and sends the result to every rank. Rank 0 reads the configuration,
/// finds a checkpoint to continue from or to begin with (find_beginning()), compares their
/// configurations, and resolves R (null: the number of ranks of the first start) and G. Unless
/// `lock` is empty, it takes the lock of the run directory before it looks for checkpoints. Throws
/// AgreedError for a bad configuration, forbidden differences (listing each), corrupt checkpoints,
/// a run directory that already holds a run when resume is `never`, or one in which another run
/// trains. A collective.
RunSetup set_up_run(const RunRequest& request, const LockRun& lock,
                    comm::CpuCommunicator& all_ranks);

/// Returns the configuration of a run that would start now, on every rank. Ignores the run
/// directory. Throws AgreedError. A collective.
config::Config set_up_config(const std::string& config_file,
                             const std::vector<std::string>& overrides,
                             comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::run
