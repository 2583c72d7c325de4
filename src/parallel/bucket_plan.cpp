#include "parallel/bucket_plan.hpp"

namespace vae_dist {

std::vector<Bucket> plan_buckets(const std::vector<ArenaSlot>& slots, std::size_t element_bytes, const BucketCaps& caps) {
  std::vector<Bucket> buckets;
  std::size_t last = slots.size();
  for (std::size_t first = slots.size(); first-- > 0;) {
    const std::int64_t offset = slots[first].offset, end = slots[last - 1].offset + slots[last - 1].count;
    const std::int64_t cap = buckets.empty() ? caps.first_bytes : caps.bytes;
    if (first > 0 && (end - offset) * static_cast<std::int64_t>(element_bytes) < cap) continue;
    buckets.push_back({first, last, offset, end - offset});
    last = first;
  }
  return buckets;
}

}  // namespace vae_dist
