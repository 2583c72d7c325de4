#include "step/image_tensor.hpp"

#include <ATen/ATen.h>

#include "device/queue_copy.hpp"

namespace vae_dist {

at::Tensor image_tensor(const Batch& batch, const InputFormat& format) {
  const at::Tensor images = model_input(batch.pixels, format);
  if (batch.mirrored.empty()) return images;
  const at::Tensor listed = at::from_blob(const_cast<std::uint8_t*>(batch.mirrored.data()), {images.size(0), 1, 1, 1}, at::kBool);
  return at::where(queue_copy(listed, format.device), images.flip({3}), images).contiguous(images.suggest_memory_format());
}

}  // namespace vae_dist
