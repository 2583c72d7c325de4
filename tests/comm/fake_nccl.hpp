// Replaces NCCL on machines without a GPU: it records the calls that it gets, and a test sets its
// answers. The functions of the executable take precedence over those of the library.
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

  /// Restores the state after construction.
  void reset();

  // The answers that a test sets.
  std::atomic<int> polls_in_progress =
      0;  ///< number of polls that find a call in progress; -1: all polls
  std::atomic<ncclResult_t> call_result =
      ncclSuccess;  ///< result of collectives, sends and receives; a polled call replaces success
                    ///< with ncclInProgress
  std::atomic<ncclResult_t> poll_result =
      ncclSuccess;  ///< result of the polls once the call is done
  std::atomic<ncclResult_t> start_result = ncclSuccess, finalize_result = ncclSuccess,
                            allocate_result = ncclSuccess;
  std::atomic<bool> abort_hangs = false, takes_registrations = true;
  std::atomic<bool> call_hangs = false;  ///< starts and collectives return once this is false

  // The calls that were made.
  std::vector<std::string> calls() const;  ///< names in order, except polls
  std::atomic<int> polls = 0;
  std::atomic<int> blocking = -1;  ///< as configured for the last communicator
  std::atomic<int> open_groups = 0;
  std::atomic<bool> is_in_stream = true;  ///< whether the last call's kernel is in the stream

  // Used by the functions that replace those of NCCL.
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
