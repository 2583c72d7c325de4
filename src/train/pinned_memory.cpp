#include "train/pinned_memory.hpp"

#include <ATen/ATen.h>

namespace vae_dist {

BatchMemory batch_memory_for(c10::Device device) {
  if (!device.is_cuda()) return plain_batch_memory();
  return [](std::size_t bytes) {
    const auto owner = std::make_shared<at::Tensor>(at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true)));
    return MemoryBlock{static_cast<std::byte*>(owner->data_ptr()), owner};
  };
}

}  // namespace vae_dist
