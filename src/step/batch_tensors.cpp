#include "step/batch_tensors.hpp"

#include <ATen/ATen.h>

#include "device/queue_copy.hpp"

namespace vae_dist::step {

at::Tensor image_tensor(const data::Batch& batch, const data::InputFormat& format) {
  at::Tensor images = data::model_input(batch.pixels, format);
  if (batch.mirrored.empty()) return images;
  const at::Tensor listed = at::from_blob(const_cast<std::uint8_t*>(batch.mirrored.data()),
                                          {images.size(0), 1, 1, 1}, at::kBool);
  return at::where(device::queue_copy(listed, format.device), images.flip({3}), images)
      .contiguous(images.suggest_memory_format());
}

at::Tensor noise_tensor(const data::Batch& batch, const data::InputFormat& format) {
  const auto count = static_cast<std::int64_t>(batch.samples.size());
  const auto values = static_cast<std::int64_t>(batch.noise.size());
  if (values == 0)
    return at::empty({count, 0}, at::TensorOptions(format.device).dtype(format.type));
  const at::Tensor noise =
      at::from_blob(const_cast<float*>(batch.noise.data()), {count, values / count}, at::kFloat);
  return device::queue_copy(noise, format.device)
      .to(format.type, /*non_blocking=*/false,
          /*copy=*/format.device.is_cpu());  // on the CPU `noise` shares the batch's memory
}

}  // namespace vae_dist::step
