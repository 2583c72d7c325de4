#include "parallel/bucket_plan.hpp"

namespace vae_dist::parallel {

std::vector<Bucket> plan_buckets(const std::vector<ArenaSlot>& slots, std::size_t element_bytes,
                                 const BucketCaps& caps) {
  const auto bytes_of = [&](std::size_t first, std::size_t last) {
    return (slots[last - 1].offset + slots[last - 1].count - slots[first].offset) *
           static_cast<std::int64_t>(element_bytes);
  };
  std::size_t in_last = slots.empty() ? 0 : 1;
  while (in_last < slots.size() && bytes_of(0, in_last + 1) <= caps.first_bytes) ++in_last;

  std::vector<Bucket> buckets;
  std::size_t last = slots.size();
  for (std::size_t first = slots.size(); first-- > 0;) {
    const std::int64_t cap = buckets.empty() ? caps.first_bytes : caps.bytes;
    if (first > 0 && first != in_last && bytes_of(first, last) < cap) continue;
    const std::int64_t offset = slots[first].offset;
    buckets.push_back(
        {first, last, offset, slots[last - 1].offset + slots[last - 1].count - offset});
    last = first;
  }
  return buckets;
}

}  // namespace vae_dist::parallel
