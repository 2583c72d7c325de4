// The way of a batch from the host to the device, beside the work that the device has to do: from
// memory that a GPU copies from by itself while the host goes on.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <memory>

namespace vae_dist::device {

/// `host` on the device. To a GPU the copy is queued from pinned memory, on a stream of its own:
/// neither the caller nor the copy waits for what the device still has to do; the current stream
/// waits for the copy. `host` may be freed at once: straight from `host` where torch's allocator
/// pinned it (then it must not be written to before it is freed), else from a copy. On the CPU the
/// result shares its memory.
at::Tensor queue_copy(const at::Tensor& host, c10::Device device);

// Memory of the host that a GPU copies from by itself, while the host goes on.

/// `bytes` of pinned memory for copies to `device`, from torch's allocator, which gives freed
/// blocks out again only after the copies that read them. From any thread. Throws c10::Error where
/// there is no GPU or no memory left to pin.
std::shared_ptr<std::byte> pinned_memory(std::size_t bytes, c10::Device device);

}  // namespace vae_dist::device
