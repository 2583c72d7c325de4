// From pixels as stored to what the model sees.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "data/image_dataset.hpp"

namespace vae_dist {

struct InputFormat {
  ImageShape shape;
  ImageLayout layout = ImageLayout::nhw;
  PixelType pixels = PixelType::uint8;
  double scale = 1.0 / 255.0;        ///< stored value times this lies in [0, 1]
  double low = 0.0, high = 1.0;      ///< `data.range`: what [0, 1] is mapped to
  bool channels_last = true;         ///< memory order of the result
  c10::Device device = c10::kCPU;
  at::ScalarType type = at::kFloat;
};

/// `host` on the device. To a GPU the copy is queued from pinned memory, on a stream of its own: neither the caller nor the copy waits for what the device still has to do; the
/// current stream waits for the copy. `host` may be freed at once: straight from `host` where torch's allocator pinned it (then it must not be written to before it is freed),
/// else from a copy. On the CPU the result shares its memory.
at::Tensor queue_copy(const at::Tensor& host, c10::Device device);

/// pixels: count images, values of format.pixels. Returns [count, C, H, W] on the device; pixels travel there as they are and are scaled there. To a
/// GPU the copy is queued as by queue_copy: `pixels` may be freed when this returns.
at::Tensor model_input(std::span<const std::uint8_t> pixels, const InputFormat& format);

}  // namespace vae_dist
