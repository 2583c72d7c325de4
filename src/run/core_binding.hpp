// Checks whether ranks have enough cores for their threads: Open MPI binds each rank of a small
// job, with all its threads, to a single core.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::run {

/// The cores of one rank and the threads that could use them.
struct CoreUse {
  int cores = 1;  ///< that the rank may run on
  /// The cores that the launcher of this rank may run on. All ranks of the node share them.
  int job_cores = 1;
  int ranks_of_node = 1;
  int compute_threads = 1;  ///< 0: one per core of the fair share
  int reader_threads = 1;
  bool exchanges = false;  ///< a separate thread sends gradients

  int fair_share() const;  ///< of the job's cores
  int threads() const;     ///< busy during a step
};

/// Returns whether the rank is bound to at most half of the cores that its threads could use of its
/// fair share. (A rank bound to a smaller part of the machine, near its GPU, is placed correctly.)
/// Pure.
bool is_core_starved(const CoreUse& use);

CoreUse core_use(const config::Config& config, const device::DeviceChoice& device,
                 const comm::MpiWorld& world);

/// Returns a warning about the ranks that have too few cores, with the remedy; empty if there are
/// none. Pure.
std::string squeezed_warning(const std::vector<CoreUse>& of_rank);

/// Gathers the core use of every rank. A collective.
std::vector<CoreUse> gather_core_use(comm::CpuCommunicator& all_ranks, const CoreUse& mine);

}  // namespace vae_dist::run
