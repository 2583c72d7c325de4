// Collectives between GPUs through NCCL, in the order of one CUDA stream.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// How calls into NCCL return.
enum class NcclCalls {
  polled,    ///< at once; this class asks until the kernel is in the stream, or its deadline passes
  blocking,  ///< when the kernel is in the stream; a call that hangs is the Watchdog's to end
};

/// How long a polled call may take until its kernel is in the stream. Kernels themselves are waited
/// for elsewhere.
struct NcclDeadlines {
  base::Seconds meeting{3600};  ///< where ranks wait for each other: start, end, and the first call
                                ///< of a kind and size, which connects them
  base::Seconds issue{
      600};  ///< any other call: it waits only for earlier kernels, when NCCL's queues are full
};

class NcclCommunicator : public Communicator {
 public:
  /// Tells NCCL that collectives will be made in this memory (of make_nccl_memory), so that it may
  /// work in place instead of copying through its own buffers. On all ranks or on none, at the same
  /// offsets. False where NCCL takes no registration (NCCL_LOCAL_REGISTER=0). It ends with the
  /// communicator; the memory outlives it.
  virtual bool register_memory(Buffer memory) = 0;

  /// Takes register_memory() back.
  virtual void deregister_memory() = 0;
};

/// The version of NCCL as loaded, major * 10000 + minor * 100 + patch; 0 when this program has
/// none.
int nccl_version_code();

/// The same as "2.28.9"; empty when this program has none.
std::string nccl_version();

/// One rank a GPU; the calling thread's current device is this rank's. `host` carries the unique id
/// (a collective on it). `stream` is a cudaStream_t on which every collective is queued; when a
/// call returns, its kernel is in the stream, so an event recorded behind it waits for it. `stream`
/// and `host` outlive the communicator. Calls are made by one thread at a time, abort() by any at
/// any time. Throws Failure with NCCL's own reason; Error(timed_out) naming the call when a
/// deadline passes; BadInput when this program has no NCCL.
std::unique_ptr<NcclCommunicator> make_nccl_communicator(HostCommunicator& host, void* stream,
                                                         const NcclDeadlines& deadlines = {},
                                                         NcclCalls calls = NcclCalls::polled);

/// For a process about to end, from any thread: gives up every NCCL communicator in it, in 3 s at
/// most, so that no kernel waits for a rank that is gone. Whoever is in a call of theirs gets a
/// Failure. No collective may follow.
void abort_nccl_communicators() noexcept;

/// `bytes` of memory on the calling thread's device, not initialised, as NCCL can register it; null
/// where NCCL has none to give. Freed with its last owner, at once: whoever lets go of it has
/// waited for what the device does with it.
std::shared_ptr<void> make_nccl_memory(std::size_t bytes);

}  // namespace vae_dist::comm
