// What a run is, before anything heavy starts: the resolved configuration, and where it goes on
// from.
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

/// A run as the command line asks for it.
struct RunRequest {
  std::string config_file;  ///< empty: the configuration of the checkpoint `from`
  std::vector<std::string> overrides;
  std::string from;  ///< a checkpoint or a run whose weights the run begins with; empty: none
};

struct RunSetup {
  config::Config config;            ///< resolved: global_batch and replicas are set
  checkpoint::TrainingState state;  ///< at the next step; step 0 for a new run
  bool resumed = false;             ///< a run goes on; else one begins, perhaps with given weights
  std::optional<checkpoint::Checkpoint>
      checkpoint;                 ///< rank 0 only: to go on from, or to begin with
  std::string origin;             ///< where the checkpoint comes from
  bool is_elsewhere = false;      ///< rank 0 only: that is not the run's own directory
  std::unique_ptr<RunLock> lock;  ///< rank 0 only: the run directory's, as long as this lives
};

/// Takes the lock of a run directory, made where there is none. Throws BadInput where another run
/// trains in it.
using LockRun = std::function<std::unique_ptr<RunLock>(const RunDirectory&)>;

/// The configuration that `request` asks for: of its file, or of the checkpoint that it begins
/// with. Throws BadInput.
config::Config requested_config(const RunRequest& request);

/// Rank 0 reads the configuration, looks for a checkpoint to go on from or to begin with
/// (find_beginning()), compares both, resolves R (null: the ranks of the first start) and G; every
/// rank gets the result. Before it looks for checkpoints it takes the run directory's lock, unless
/// `lock` is empty. Throws AgreedError: bad configuration, forbidden differences (each listed),
/// corrupt checkpoints, a run directory that already holds a run when resume is `never`, or in
/// which another run trains. A collective.
RunSetup set_up_run(const RunRequest& request, const LockRun& lock, comm::HostCommunicator& host);

/// The configuration of a run that would start now, as every rank gets it; no run directory is
/// looked at. Throws AgreedError. A collective.
config::Config set_up_config(const std::string& config_file,
                             const std::vector<std::string>& overrides,
                             comm::HostCommunicator& host);

}  // namespace vae_dist::run
