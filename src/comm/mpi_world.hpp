// Starts and stops MPI and finds this process's place in the job. Without mpirun or srun the job is
// a single process and MPI is not started.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

class MpiWorld {
 public:
  /// Starts MPI if the environment shows that a launcher (mpirun, srun) started this process.
  /// Throws Failure if MPI does not offer MPI_THREAD_MULTIPLE.
  MpiWorld(int& argc, char**& argv);
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// The position among the ranks of this node (MPI_Comm_split_type).
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }
  const std::string& host() const { return host_; }

  /// Makes a host communicator over all ranks. Messages of different communicators never mix. A
  /// collective.
  std::unique_ptr<CpuCommunicator> make_communicator() const;

  /// Makes a communicator over the ranks of this node, numbered by local rank. A collective of all
  /// ranks.
  std::unique_ptr<CpuCommunicator> make_node_communicator() const;

  /// Makes a communicator over the first `ranks` ranks, for measurements; null on the others. A
  /// collective of all ranks.
  std::unique_ptr<CpuCommunicator> make_communicator_of_first(int ranks) const;

  /// Ends all ranks of the job with this exit code and does not return. Other ranks may be at any
  /// point of the program.
  [[noreturn]] void abort(base::ExitCode code) const noexcept;

 private:
  bool started_ = false;
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  std::string host_;
};

}  // namespace vae_dist::comm
