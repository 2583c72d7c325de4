#include "parallel/flat_arena.hpp"

#include <ATen/ATen.h>

namespace vae_dist::parallel {
namespace {

std::vector<std::int64_t> dense_strides(const std::vector<std::int64_t>& sizes,
                                        bool channels_last) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t step = 1;
  const bool moves_channels = channels_last && (sizes.size() == 4 || sizes.size() == 5);
  if (moves_channels) {
    strides[1] = 1;
    step = sizes[1];
  }
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (moves_channels && i == 1) continue;
    strides[i] = step;
    step *= sizes[i];
  }
  return strides;
}

}  // namespace

void append_slot(std::vector<ArenaSlot>& slots, const std::string& name,
                 const std::vector<std::int64_t>& sizes, std::size_t element_bytes,
                 bool channels_last) {
  const std::int64_t alignment = kArenaAlignmentBytes / static_cast<std::int64_t>(element_bytes);
  const std::int64_t end = slots.empty() ? 0 : slots.back().offset + slots.back().count;
  ArenaSlot slot{name, sizes, dense_strides(sizes, channels_last),
                 (end + alignment - 1) / alignment * alignment, 1};
  for (const std::int64_t size : sizes) slot.count *= size;
  slots.push_back(std::move(slot));
}

at::Tensor ordinary_memory(std::int64_t count, const at::TensorOptions& options) {
  return at::zeros({count}, options);
}

FlatArena::FlatArena(std::vector<ArenaSlot> slots, const at::TensorOptions& options,
                     const ArenaMemory& memory)
    : slots_(std::move(slots)),
      flat_(memory(slots_.empty() ? 0 : slots_.back().offset + slots_.back().count, options)) {}

at::Tensor FlatArena::view(std::size_t slot) const {
  const ArenaSlot& s = slots_.at(slot);
  return flat_.as_strided(s.sizes, s.strides, s.offset);
}

}  // namespace vae_dist::parallel
