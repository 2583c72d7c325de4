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
  // One stream is enough because a process has one GPU.
  static const c10::Stream copying = cuda.getStreamFromGlobalPool(device);
  const c10::Stream current = cuda.getStream(device);
  at::Tensor copy;
  {
    const c10::StreamGuard on_stream(copying);
    // pin_memory() is a no-op on pinned memory. The copy tells torch's pinned allocator, by
    // address, which block it reads, so that a freed block is reused only after the copy.
    copy = host.pin_memory().to(device, /*non_blocking=*/true);
  }
  c10::Event copied(c10::kCUDA);
  copied.record(copying);
  copied.block(current);
  // The result is in memory of the copying stream, which must not reuse it before the current
  // stream has finished reading it.
  copy.record_stream(current);
  return copy;
}

std::shared_ptr<std::byte> pinned_memory(std::size_t bytes, c10::Device device) {
  const c10::DeviceGuard on(device);  // the loader's thread has no current device: CUDA would
                                      // create a context on the first GPU
  const auto owner = std::make_shared<at::Tensor>(at::empty(
      {static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true)));
  return {owner, static_cast<std::byte*>(owner->data_ptr())};
}

}  // namespace vae_dist::device
