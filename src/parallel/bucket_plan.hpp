// The division of the gradients into buckets. It is a pure function of sizes and caps, so that all
// ranks compute the same plan.
//
// Backward produces gradients roughly in reverse registration order, so buckets are filled from the
// last parameter to the first. The first bucket is small, so that the exchange begins early. Later
// buckets are large enough to use the network well (as in PyTorch's DistributedDataParallel: Li et
// al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", section
// 3.2.3). The last bucket is small again: it is complete only when backward ends, so no computation
// hides it. Without it, a model smaller than a bucket would be sent entirely after backward.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/flat_arena.hpp"

namespace vae_dist::parallel {

/// The tensors [first_slot, last_slot) of an arena and their elements [offset, offset + count),
/// including the gaps.
struct Bucket {
  std::size_t first_slot = 0, last_slot = 0;
  std::int64_t offset = 0, count = 0;
};

struct BucketCaps {
  std::int64_t first_bytes = 1 << 20;  ///< of the first and the last bucket
  std::int64_t bytes = 25 << 20;
};

/// Returns the buckets in the order in which they are sent. A bucket is closed once it has reached
/// its cap, so no tensor is split and a bucket exceeds its cap by less than one tensor. The last
/// bucket takes as many of the first tensors as fit into its cap, but at least one. A model smaller
/// than the first bucket is sent as one bucket. `slots`: an arena's slots, in registration order.
std::vector<Bucket> plan_buckets(const std::vector<ArenaSlot>& slots, std::size_t element_bytes,
                                 const BucketCaps& caps);

}  // namespace vae_dist::parallel
