// Collectives between GPUs through NCCL, in the order of one CUDA stream.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// When calls into NCCL return.
enum class NcclCalls {
  polled,    ///< at once; this class polls until the kernel is in the stream or a deadline passes
  blocking,  ///< when the kernel is in the stream; only the Watchdog ends a call that hangs
};

/// The time limits for polled calls to put their kernel into the stream. Other code waits for the
/// kernels themselves.
struct NcclDeadlines {
  base::Seconds meeting{3600};  ///< calls in which ranks wait for each other: start, end, and the
                                ///< first call of a kind and size, which connects them
  base::Seconds issue{
      600};  ///< other calls, which wait only for earlier kernels, when NCCL's queues are full
};

class NcclCommunicator : public Communicator {
 public:
  /// Tells NCCL that collectives will use this memory (from make_nccl_memory), so that it may work
  /// in place instead of copying through its own buffers. Call it on all ranks or on none, at the
  /// same offsets. Returns false if NCCL accepts no registration (NCCL_LOCAL_REGISTER=0). The
  /// registration ends with the communicator; the memory must outlive it.
  virtual bool register_memory(Buffer memory) = 0;

  /// Undoes register_memory().
  virtual void deregister_memory() = 0;
};

/// Returns the version of the loaded NCCL, major * 10000 + minor * 100 + patch, or 0 in a program
/// without NCCL.
int nccl_version_code();

/// Returns the version as "2.28.9", or an empty string in a program without NCCL.
std::string nccl_version();

/// Makes an NCCL communicator with one rank per GPU; the current device of the calling thread is
/// this rank's. `all_ranks` broadcasts the unique id (a collective on it). Every collective is
/// queued on `stream`, a cudaStream_t. When a call returns, its kernel is in the stream, so an
/// event recorded after it waits for it. `stream` and `all_ranks` must outlive the communicator.
/// One thread at a time may make calls; any thread may call abort() at any time. Throws Failure
/// with NCCL's error text, Error(timed_out) naming the call if a deadline passes, and BadInput in a
/// program without NCCL.
std::unique_ptr<NcclCommunicator> make_nccl_communicator(CpuCommunicator& all_ranks, void* stream,
                                                         const NcclDeadlines& deadlines = {},
                                                         NcclCalls calls = NcclCalls::polled);

/// Aborts all NCCL communicators of a process that is about to end, in 3 s at most, so that no
/// kernel waits for a rank that is gone. Thread-safe. A thread inside a call of such a communicator
/// gets a Failure. No collective may follow.
void abort_nccl_communicators() noexcept;

/// Returns NCCL's own words about the first communicator of this process that has failed while
/// nobody was in a call of it: a connection was lost, or a kernel met an error. The host, which
/// waits for an event or for a graph, would not hear of it. Nothing if all are well, and in a
/// program without NCCL. Leaves out communicators that are starting, ending or aborted, and those
/// that another thread is just using. Thread-safe; never waits.
std::optional<std::string> nccl_failure();

/// Allocates `bytes` of uninitialised memory, which NCCL can register, on the calling thread's
/// device. Returns null if NCCL has none left. The last owner frees it immediately and must first
/// wait for the device to finish with it.
std::shared_ptr<void> make_nccl_memory(std::size_t bytes);

}  // namespace vae_dist::comm
