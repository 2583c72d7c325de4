#include "parallel/replica_tree.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <stdexcept>

#include "base/power_of_two.hpp"

namespace vae_dist::parallel {

ReplicaTree::ReplicaTree(at::Tensor arena, std::int64_t replicas) : arena_(std::move(arena)) {
  if (!base::is_power_of_two(replicas))
    throw std::invalid_argument("the number of replicas in a tree must be a power of two");
  for (; replicas > 1; replicas /= 2) partial_.push_back(at::empty_like(arena_));
}

void ReplicaTree::take() {
  const at::NoGradGuard no_grad;
  // Joins sums as a binary counter carries: the new replica with the single one before it, the
  // resulting pair with the pair before it, ...
  std::size_t level = 0;
  for (; (done_ >> level & 1) != 0; ++level) arena_.add_(partial_[level]);
  partial_.at(level).copy_(arena_);
  arena_.zero_();
  ++done_;
}

void ReplicaTree::fold(std::int64_t offset, std::int64_t count) {
  const at::NoGradGuard no_grad;
  at::Tensor part = arena_.slice(0, offset, offset + count);
  // The tree holds all replicas except the last, as one partial sum per level.
  for (const at::Tensor& partial : partial_) part.add_(partial.slice(0, offset, offset + count));
}

}  // namespace vae_dist::parallel
