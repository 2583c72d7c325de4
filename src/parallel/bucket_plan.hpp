// Which gradients travel together: a pure function of sizes and caps, so that all ranks come to the
// same plan.
//
// Backward produces gradients roughly in reverse order of registration, so buckets are filled from
// the last parameter to the first. The first bucket is small, to begin early; later ones are large
// enough to use the network well (as PyTorch's DistributedDataParallel: Li et al. 2020, "PyTorch
// Distributed: Experiences on Accelerating Data Parallel Training", section 3.2.3). The last one is
// small again: it is complete when backward ends, so nothing is left to hide it behind, and without
// it a model smaller than a bucket would be sent when all is over.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/flat_arena.hpp"

namespace vae_dist::parallel {

/// The tensors [first_slot, last_slot) of an arena, and the elements [offset, offset + count) that
/// hold them, gaps included.
struct Bucket {
  std::size_t first_slot = 0, last_slot = 0;
  std::int64_t offset = 0, count = 0;
};

struct BucketCaps {
  std::int64_t first_bytes = 1 << 20;  ///< of the first bucket, and of the last
  std::int64_t bytes = 25 << 20;
};

/// Buckets in the order in which they are sent. A bucket is closed once it has reached its cap, so
/// one tensor is never split and the cap is exceeded by less than a tensor. The last bucket takes
/// as many of the first tensors as fit into its cap, at least one. What is smaller than the first
/// bucket is sent as one. `slots`: an arena's, in registration order.
std::vector<Bucket> plan_buckets(const std::vector<ArenaSlot>& slots, std::size_t element_bytes,
                                 const BucketCaps& caps);

}  // namespace vae_dist::parallel
