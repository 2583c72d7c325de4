// Many tensors in one flat allocation. One collective, one optimizer call or one norm handles all
// of them, without copying them together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vae_dist::parallel {

/// The place of one tensor: `count` elements from `offset` (in elements), laid out by `strides`.
struct ArenaSlot {
  std::string name;
  std::vector<std::int64_t> sizes, strides;
  std::int64_t offset = 0, count = 0;
};

/// The alignment of views, which vector loads, NCCL and cuDNN handle best.
inline constexpr std::int64_t kArenaAlignmentBytes = 256;

/// Appends a dense slot behind the last one, aligned for elements of `element_bytes`.
/// `channels_last` stores a 4-d tensor as NHWC and a 5-d one as NDHWC.
void append_slot(std::vector<ArenaSlot>& slots, const std::string& name,
                 const std::vector<std::int64_t>& sizes, std::size_t element_bytes,
                 bool channels_last = false);

/// Makes an arena's memory: a contiguous tensor [count] of zeros.
using ArenaMemory = std::function<at::Tensor(std::int64_t count, const at::TensorOptions& options)>;

/// Allocates memory as for any other tensor.
at::Tensor ordinary_memory(std::int64_t count, const at::TensorOptions& options);

class FlatArena {
 public:
  /// Fills the arena with zeros. Nothing writes to the alignment gaps, so they stay zero.
  FlatArena(std::vector<ArenaSlot> slots, const at::TensorOptions& options,
            const ArenaMemory& memory = ordinary_memory);

  const at::Tensor& flat() const { return flat_; }  ///< [elements, including gaps]
  const std::vector<ArenaSlot>& slots() const { return slots_; }
  at::Tensor view(std::size_t slot) const;  ///< shares memory with flat()

 private:
  std::vector<ArenaSlot> slots_;
  at::Tensor flat_;
};

}  // namespace vae_dist::parallel
