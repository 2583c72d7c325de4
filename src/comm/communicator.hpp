// What ranks say to each other: one interface for one process (self), threads of a process
// (thread), MPI and NCCL, and what only the first three of these can.
//
// Collectives are called by every rank of a communicator in the same order with equal counts, types
// and roots. They return when the buffer may be used: at once on the host (self, thread, mpi), in
// stream order on the device (nccl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vae_dist::comm {

/// bfloat16 is moved by all, summed by nccl alone (std::invalid_argument elsewhere): on the host
/// sums are made in fp32.
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

/// An all-reduce under way. Its buffer must neither move nor be touched before wait() returned.
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

  /// Element-wise sum over ranks, in place; every rank gets the same bits.
  virtual void all_reduce_sum(Buffer buffer) = 0;

  /// Rank r's `in` becomes part r of every rank's `out`; out.count == in.count * size().
  virtual void all_gather(Buffer in, Buffer out) = 0;

  /// Sends one buffer to `peer` and receives another from it, which does the same. Only the two
  /// take part; every pair of ranks exchanges in one order. Counts may be 0. Does not spin: a rank
  /// that waits leaves the core to those that compute.
  virtual void exchange(int peer, Buffer send, Buffer receive) = 0;

  virtual void barrier() = 0;

  /// Gives up collectives under way, so that a failing rank does not wait for the others. No
  /// collective may follow.
  virtual void abort() noexcept = 0;
};

/// Whose buffers are host memory, and may be used when a collective returns.
class HostCommunicator : public Communicator {
 public:
  /// Starts a sum of a small buffer without waiting for the others. Ranks wait for theirs in the
  /// order they were started.
  virtual std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer buffer) = 0;

  /// Another communicator of the same ranks, whose messages never meet those of this one. A
  /// collective.
  virtual std::unique_ptr<HostCommunicator> duplicate() = 0;
};

/// The communicator of a world of one: every collective is the identity.
std::unique_ptr<HostCommunicator> make_self_communicator();

/// Every rank's text, in rank order. A collective.
std::vector<std::string> all_gather_text(HostCommunicator& comm, const std::string& text);

/// The root's text on every rank. A collective.
std::string broadcast_text(HostCommunicator& comm, const std::string& text, int root = 0);

}  // namespace vae_dist::comm
