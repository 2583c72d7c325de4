// Stands in for NCCL where there is no GPU: what it is asked is written down, and a test says how
// it answers. The executable's functions win over those of the library.
#pragma once

#include <nccl.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace vae_dist::comm {

class FakeNccl {
 public:
  static FakeNccl& instance();

  /// As after its construction.
  void reset();

  // How it answers.
  std::atomic<int> polls_in_progress =
      0;  ///< polls after each call that find it under way; -1: all
  std::atomic<ncclResult_t> call_result =
      ncclSuccess;  ///< of collectives, sends and receives; in a polled call success becomes "in
                    ///< progress"
  std::atomic<ncclResult_t> poll_result = ncclSuccess;  ///< what polls find in the end
  std::atomic<ncclResult_t> start_result = ncclSuccess, finalize_result = ncclSuccess,
                            allocate_result = ncclSuccess;
  std::atomic<bool> abort_hangs = false, takes_registrations = true;

  // What happened.
  std::vector<std::string> calls() const;  ///< names in order, without polls
  std::atomic<int> polls = 0;
  std::atomic<int> blocking = -1;  ///< of the last communicator's configuration
  std::atomic<int> open_groups = 0;
  std::atomic<bool> is_in_stream = true;  ///< the last call's kernel

  // For the functions that stand in.
  ncclResult_t note(const std::string& name, ncclResult_t result);
  ncclResult_t begin(const std::string& name, ncclResult_t result);
  ncclResult_t poll(ncclResult_t* state);
  bool is_polled() const { return blocking == 0; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  std::atomic<int> left_ = 0;
};

}  // namespace vae_dist::comm
