// Sums over the ranks of one node in memory that they share. Each rank reads its part of the vector
// where the others have written it, and writes the sum there: nothing is sent, and nothing is
// copied. A vector of n bytes costs each rank n bytes of reading and n of writing, where an
// all-reduce by messages copies every part twice more.
//
// A rank that waits for others yields its core for a moment and then sleeps until they wake it
// (futex(2)): one that went on polling would take the core from its own backward pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "comm/communicator.hpp"
#include "comm/node_memory.hpp"

namespace vae_dist::comm {

class NodeSum {
 public:
  /// Gives each rank `bytes` bytes of zeros, in memory that all of them can reach. `ranks` are all
  /// on one node (CpuCommunicator::on_one_node) and outlive this object, which sends nothing
  /// through them later. Throws AgreedError on all ranks if they cannot share memory or have too
  /// little of it. A collective.
  NodeSum(CpuCommunicator& ranks, std::size_t bytes);

  /// Returns the memory of this rank, aligned to pages. Nothing may touch it during a sum of it.
  std::byte* data() const { return slot(rank_) + kStagingBytes; }

  /// Sums `buffer` over all ranks, in place; every rank gets the same bits. A buffer in data(), at
  /// the same place on every rank, is summed where it lies. Any other one is copied through it.
  ///
  /// The ranks are added along a binary tree: those of the largest power of two below their number,
  /// plus the others. For a power of two this is the tree of tree_all_reduce.hpp, with the same
  /// bits.
  ///
  /// One thread at a time; a collective. Throws std::invalid_argument for bfloat16, and
  /// CommunicationFailure if `ranks` were aborted.
  void sum(Buffer buffer);

 private:
  struct Progress;

  static constexpr std::size_t kStagingBytes = 1 << 16;

  void sum_shared(std::size_t offset, Buffer buffer);
  void wait_for_all(bool summed) const;
  Progress& progress(int rank) const;
  std::byte* slot(int rank) const;

  CpuCommunicator& ranks_;
  const int rank_, size_;
  const std::size_t slot_bytes_;
  const NodeMemory memory_;
  std::uint32_t sums_ = 0;  // how many this rank has begun
};

}  // namespace vae_dist::comm
