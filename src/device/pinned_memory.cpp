#include "device/pinned_memory.hpp"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>

namespace vae_dist::device {

std::shared_ptr<std::byte> pinned_memory(std::size_t bytes, c10::Device device) {
  const c10::DeviceGuard on(device);  // the loader's thread has no device of its own: CUDA would make itself at home on the first GPU
  const auto owner = std::make_shared<at::Tensor>(at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true)));
  return {owner, static_cast<std::byte*>(owner->data_ptr())};
}

}  // namespace vae_dist::device
