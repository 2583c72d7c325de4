// MPI's start and stop, and who this process is in the job. Without mpirun or srun the world is one
// process and MPI is not started.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

class MpiWorld {
 public:
  /// Starts MPI when the environment says that a launcher (mpirun, srun) started this process.
  /// Throws Failure when MPI does not offer MPI_THREAD_MULTIPLE.
  MpiWorld(int& argc, char**& argv);
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const {
    return local_rank_;
  }  ///< among the ranks of this node (MPI_Comm_split_type)
  int local_size() const { return local_size_; }
  const std::string& host() const { return host_; }

  /// A communicator of its own over all ranks, on the host: messages of one never meet those of
  /// another. A collective.
  std::unique_ptr<HostCommunicator> make_communicator() const;

  /// The same over the ranks of this node, numbered by local rank. A collective of all ranks.
  std::unique_ptr<HostCommunicator> make_node_communicator() const;

  /// The same over the first `ranks` ranks, for measurements; null on the others. A collective of
  /// all ranks.
  std::unique_ptr<HostCommunicator> make_communicator_of_first(int ranks) const;

  /// Ends all ranks of the world with this exit code, and does not return. Other ranks may be
  /// anywhere.
  [[noreturn]] void abort(base::ExitCode code) const noexcept;

 private:
  bool started_ = false;
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  std::string host_;
};

}  // namespace vae_dist::comm
