// Whether ranks have the cores that their threads need: Open MPI binds each rank of a small job to
// a single one, and all of its threads with it.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::run {

/// One rank's cores, and what it would do with more.
struct CoreUse {
  int cores = 1;  ///< that the rank may run on
  int job_cores =
      1;  ///< that whatever started the rank may run on: what there is for all ranks of the node
  int ranks_of_node = 1;
  int compute_threads = 1;  ///< 0: as many as it is given
  int reader_threads = 1;
  bool exchanges = false;  ///< a thread of its own sends gradients

  int fair_share() const;  ///< of the job's cores
  int threads() const;     ///< that are busy in a step
};

/// Whether the rank is bound to half or less of what its threads could use of its fair share. (A
/// rank that is put on a smaller part of the machine, beside its GPU, is where it should be.) Pure.
bool is_squeezed(const CoreUse& use);

CoreUse core_use(const config::Config& config, const device::DeviceChoice& device,
                 const comm::MpiWorld& world);

/// Empty, or what is to be said of the ranks that are squeezed, and the remedy. Pure.
std::string squeezed_warning(const std::vector<CoreUse>& of_rank);

/// Every rank's. A collective.
std::vector<CoreUse> gather_core_use(comm::HostCommunicator& host, const CoreUse& mine);

}  // namespace vae_dist::run
