// The sum over the replicas of one rank as a fixed binary tree, so that together with
// tree_all_reduce.hpp it is one tree over all replicas, whatever the number of ranks.
//
// Replicas come one after the other. Like a binary counter, a stack keeps at most one partial sum
// of 1, 2, 4, ... replicas; two of a size are joined at once. Accumulating straight into .grad
// would make a chain, which is another sum.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::parallel {

class ReplicaTree {
 public:
  /// `arena`: what each replica leaves, contiguous. `replicas`: of this rank, a power of two. Holds
  /// log2(replicas) arenas.
  ReplicaTree(at::Tensor arena, std::int64_t replicas);

  /// At the start of a step.
  void clear() { done_ = 0; }

  /// After a replica that is not the last: takes the arena's content into the tree, and sets the
  /// arena to zero.
  void take();

  /// For the last replica, whose parts become ready one by one: adds all earlier replicas to
  /// elements [offset, offset + count) of the arena.
  void fold(std::int64_t offset, std::int64_t count);

  std::size_t arenas() const { return partial_.size(); }

 private:
  at::Tensor arena_;
  std::vector<at::Tensor>
      partial_;  // [level]: the sum of 2^level replicas, where bit `level` of done_ is set
  std::int64_t done_ = 0;
};

}  // namespace vae_dist::parallel
