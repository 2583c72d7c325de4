// The interface for communication between ranks, implemented for a single process (self), threads
// of a process (thread), MPI and NCCL, and an extension that NCCL does not implement.
//
// Every rank of a communicator calls the collectives in the same order, with equal counts, types
// and roots. A collective returns when the buffer may be used: at once on the host (self, thread,
// mpi), in stream order on the device (nccl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vae_dist::comm {

/// All communicators can move bfloat16, but only nccl can sum it (the others throw
/// std::invalid_argument): on the host, sums are computed in fp32.
enum class DataType { uint8, int64, bfloat16, float32, float64 };

std::size_t size_of(DataType type);

/// `count` elements at `data`, which the collective reads or writes. Host memory, or device memory
/// for nccl.
struct Buffer {
  void* data = nullptr;
  std::int64_t count = 0;
  DataType type = DataType::uint8;

  std::size_t bytes() const { return static_cast<std::size_t>(count) * size_of(type); }
};

/// A running all-reduce. Do not move or touch its buffer before wait() has returned.
class PendingCollective {
 public:
  virtual ~PendingCollective() = default;
  virtual void wait() = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const char* name() const = 0;  ///< "self", "thread", "mpi", "nccl"

  /// Copies the root's buffer to all ranks.
  virtual void broadcast(Buffer buffer, int root) = 0;

  /// Sums element-wise over all ranks, in place. Every rank gets the same bits.
  virtual void all_reduce_sum(Buffer buffer) = 0;

  /// Copies rank r's `in` to part r of every rank's `out`; out.count == in.count * size().
  virtual void all_gather(Buffer in, Buffer out) = 0;

  /// Sends one buffer to `peer` and receives another from it; `peer` makes the matching call. Only
  /// the two ranks take part, and each pair of ranks exchanges in the same order. Counts may be 0.
  /// Does not spin: a waiting rank leaves its core to compute threads.
  virtual void exchange(int peer, Buffer send, Buffer receive) = 0;

  virtual void barrier() = 0;

  /// Aborts running collectives so that a failing rank does not wait for the others. No collective
  /// may follow.
  virtual void abort() noexcept = 0;
};

/// A communicator for buffers in host memory, which may be used when a collective returns.
class CpuCommunicator : public Communicator {
 public:
  /// Starts an all-reduce of a small buffer without waiting for the others. All ranks must wait for
  /// their sums in the order in which they started them.
  virtual std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer buffer) = 0;

  /// Returns whether all ranks run on one node, so that they may share memory.
  virtual bool on_one_node() const = 0;

  /// Returns whether the ranks were aborted, as far as this one knows. Any thread may ask.
  virtual bool aborted() const = 0;

  /// Makes another communicator of the same ranks. Messages of the two never mix. A collective.
  virtual std::unique_ptr<CpuCommunicator> duplicate() = 0;
};

/// Makes the communicator of a single rank: every collective is the identity.
std::unique_ptr<CpuCommunicator> make_self_communicator();

/// Returns the texts of all ranks, in rank order. A collective.
std::vector<std::string> all_gather_text(CpuCommunicator& comm, const std::string& text);

/// Returns the root's text on every rank. A collective.
std::string broadcast_text(CpuCommunicator& comm, const std::string& text, int root = 0);

}  // namespace vae_dist::comm
