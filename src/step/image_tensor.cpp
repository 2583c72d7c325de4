#include "step/image_tensor.hpp"

#include <ATen/ATen.h>

#include "device/queue_copy.hpp"

namespace vae_dist::step {

at::Tensor image_tensor(const data::Batch& batch, const data::InputFormat& format) {
  const at::Tensor images = data::model_input(batch.pixels, format);
  if (batch.mirrored.empty()) return images;
  const at::Tensor listed = at::from_blob(const_cast<std::uint8_t*>(batch.mirrored.data()), {images.size(0), 1, 1, 1}, at::kBool);
  return at::where(device::queue_copy(listed, format.device), images.flip({3}), images).contiguous(images.suggest_memory_format());
}

}  // namespace vae_dist::step
