// From samples as stored to the tensors that the model sees.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "data/sample_dataset.hpp"

namespace vae_dist::data {

struct InputFormat {
  SampleShape shape;
  SampleLayout layout = SampleLayout::nhw;
  PixelType pixels = PixelType::uint8;
  double scale = 1.0 / 255.0;    ///< stored value times this lies in [0, 1]
  double low = 0.0, high = 1.0;  ///< `data.range`: what [0, 1] is mapped to
  bool channels_last = true;     ///< memory order of the result
  c10::Device device = c10::kCPU;
  at::ScalarType type = at::kFloat;
};

/// pixels: count images, values of format.pixels. Returns [count, C, H, W] on the device; pixels
/// travel there as they are and are scaled there. To a GPU the copy is queued as by
/// device/queue_copy.hpp: `pixels` may be freed when this returns.
at::Tensor model_input(std::span<const std::uint8_t> pixels, const InputFormat& format);

}  // namespace vae_dist::data
