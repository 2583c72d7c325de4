#include "evaluate/model_input.hpp"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist {

at::Tensor queue_copy(const at::Tensor& host, c10::Device device) {
  if (!device.is_cuda()) return host;
  const c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
  // A process has one GPU.
  static const c10::Stream copying = cuda.getStreamFromGlobalPool(device);
  const c10::Stream current = cuda.getStream(device);
  at::Tensor copy;
  {
    const c10::StreamGuard on_stream(copying);
    // pin_memory() leaves alone what is pinned already. The copy tells torch's pinned allocator which block it reads, found by its address: given back, the
    // block is given out again only after the copy.
    copy = host.pin_memory().to(device, /*non_blocking=*/true);
  }
  c10::Event copied(c10::kCUDA);
  copied.record(copying);
  copied.block(current);
  // It lies in memory of the copying stream, which must not use it for the next copy before what reads this one here is done.
  copy.record_stream(current);
  return copy;
}

at::Tensor model_input(std::span<const std::uint8_t> pixels, const InputFormat& f) {
  const std::int64_t count = static_cast<std::int64_t>(pixels.size() / bytes_of(f.pixels)) / f.shape.values();
  const std::int64_t c = f.shape.channels, h = f.shape.height, w = f.shape.width;
  const bool channels_stored_last = f.layout == ImageLayout::nhwc;
  const std::vector<std::int64_t> sizes = channels_stored_last ? std::vector<std::int64_t>{count, h, w, c} : std::vector<std::int64_t>{count, c, h, w};

  const at::Tensor stored = at::from_blob(const_cast<std::uint8_t*>(pixels.data()), sizes, f.pixels == PixelType::uint8 ? at::kByte : at::kFloat);
  at::Tensor images = queue_copy(stored, f.device).to(f.type, /*non_blocking=*/false, /*copy=*/f.device.is_cpu());  // there the memory is the caller's
  images.mul_(f.scale * (f.high - f.low));
  if (f.low != 0) images.add_(f.low);
  // A view: the values stay where they are, the axes are renamed.
  if (channels_stored_last) images = images.permute({0, 3, 1, 2});
  return images.contiguous(f.channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

}  // namespace vae_dist
