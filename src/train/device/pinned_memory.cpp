#include "train/device/pinned_memory.hpp"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

namespace vae_dist {

BatchMemory batch_memory_for(c10::Device device) {
  if (!device.is_cuda()) return plain_batch_memory();
  return [device](std::size_t bytes) {
    const c10::DeviceGuard on(device);  // the loader's thread has no device of its own: CUDA would make itself at home on the first GPU
    const auto owner = std::make_shared<at::Tensor>(at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true)));
    return MemoryBlock{static_cast<std::byte*>(owner->data_ptr()), owner};
  };
}

}  // namespace vae_dist
