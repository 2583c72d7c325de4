#include "device/queue_copy.hpp"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::device {

at::Tensor queue_copy(const at::Tensor& host, c10::Device device) {
  if (!device.is_cuda()) return host;
  const c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
  // A process has one GPU.
  static const c10::Stream copying = cuda.getStreamFromGlobalPool(device);
  const c10::Stream current = cuda.getStream(device);
  at::Tensor copy;
  {
    const c10::StreamGuard on_stream(copying);
    // pin_memory() leaves alone what is pinned already. The copy tells torch's pinned allocator
    // which block it reads, found by its address: given back, the block is given out again only
    // after the copy.
    copy = host.pin_memory().to(device, /*non_blocking=*/true);
  }
  c10::Event copied(c10::kCUDA);
  copied.record(copying);
  copied.block(current);
  // It lies in memory of the copying stream, which must not use it for the next copy before what
  // reads this one here is done.
  copy.record_stream(current);
  return copy;
}

std::shared_ptr<std::byte> pinned_memory(std::size_t bytes, c10::Device device) {
  const c10::DeviceGuard on(device);  // the loader's thread has no device of its own: CUDA would
                                      // make itself at home on the first GPU
  const auto owner = std::make_shared<at::Tensor>(at::empty(
      {static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true)));
  return {owner, static_cast<std::byte*>(owner->data_ptr())};
}

}  // namespace vae_dist::device
