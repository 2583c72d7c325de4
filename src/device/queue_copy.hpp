// Copies batches from the host to the device while the device works, from pinned memory, which a
// GPU reads by itself while the host continues.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <memory>

namespace vae_dist::device {

/// Returns a copy of `host` on the device. The copy to a GPU is queued from pinned memory on its
/// own stream: neither the caller nor the copy waits for pending work of the device, and the
/// current stream waits for the copy. `host` may be freed at once. If torch's allocator pinned it,
/// the copy reads it directly, so it must not be written to before it is freed; otherwise the copy
/// reads a pinned duplicate. On the CPU the result shares the memory of `host`.
at::Tensor queue_copy(const at::Tensor& host, c10::Device device);

// Pinned memory, which a GPU reads by itself while the host continues.

/// Allocates `bytes` of pinned memory for copies to `device` with torch's allocator, which reuses a
/// freed block only after all copies that read it. Thread-safe. Throws c10::Error if there is no
/// GPU or no memory left to pin.
std::shared_ptr<std::byte> pinned_memory(std::size_t bytes, c10::Device device);

}  // namespace vae_dist::device
