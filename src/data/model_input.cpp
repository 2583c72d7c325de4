#include "data/model_input.hpp"

#include <ATen/ops/from_blob.h>

#include "device/queue_copy.hpp"

namespace vae_dist::data {

at::Tensor stored_pixels(std::span<const std::uint8_t> pixels, const InputFormat& f) {
  const std::int64_t count =
      static_cast<std::int64_t>(pixels.size() / bytes_of(f.pixels)) / f.shape.values();
  const std::int64_t c = f.shape.channels, h = f.shape.height, w = f.shape.width;
  const bool channels_stored_last = f.layout == SampleLayout::nhwc;
  const std::vector<std::int64_t> sizes = channels_stored_last
                                              ? std::vector<std::int64_t>{count, h, w, c}
                                              : std::vector<std::int64_t>{count, c, h, w};

  return device::queue_copy(at::from_blob(const_cast<std::uint8_t*>(pixels.data()), sizes,
                                          f.pixels == PixelType::uint8 ? at::kByte : at::kFloat),
                            f.device);
}

at::Tensor model_input(const at::Tensor& stored, const InputFormat& f) {
  at::Tensor images = stored.to(f.type, /*non_blocking=*/false, /*copy=*/true);
  images.mul_(f.scale * (f.high - f.low));
  if (f.low != 0) images.add_(f.low);
  // A view: only the axes are renamed; the values stay where they are.
  if (f.layout == SampleLayout::nhwc) images = images.permute({0, 3, 1, 2});
  return images.contiguous(f.channels_last ? at::MemoryFormat::ChannelsLast
                                           : at::MemoryFormat::Contiguous);
}

at::Tensor model_input(std::span<const std::uint8_t> pixels, const InputFormat& format) {
  return model_input(stored_pixels(pixels, format), format);
}

}  // namespace vae_dist::data
