// The sum over the replicas of one rank as a fixed binary tree. Together with tree_all_reduce.hpp
// it forms one tree over all replicas, which does not depend on the number of ranks.
//
// Replicas arrive one after the other. Like a binary counter, a stack keeps at most one partial sum
// of 1, 2, 4, ... replicas; two sums of equal size are joined at once. Accumulating directly into
// .grad would add the replicas one after the other, which rounds differently.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::parallel {

class ReplicaTree {
 public:
  /// `arena`: contiguous; holds the result of each replica in turn. `replicas`: of this rank, a
  /// power of two. Allocates log2(replicas) arenas.
  ReplicaTree(at::Tensor arena, std::int64_t replicas);

  /// Resets the tree; to be called at the start of a step.
  void clear() { done_ = 0; }

  /// Moves the arena's content into the tree and sets the arena to zero. To be called after each
  /// replica except the last.
  void take();

  /// Adds all earlier replicas to the elements [offset, offset + count) of the arena. To be called
  /// in the last replica for each part that becomes ready.
  void fold(std::int64_t offset, std::int64_t count);

  std::size_t arenas() const { return partial_.size(); }

 private:
  at::Tensor arena_;
  std::vector<at::Tensor>
      partial_;  // [level]: the sum of 2^level replicas, where bit `level` of done_ is set
  std::int64_t done_ = 0;
};

}  // namespace vae_dist::parallel
