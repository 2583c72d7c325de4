// Memory of the host that a GPU copies from by itself, while the host goes on.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <memory>

namespace vae_dist::device {

/// `bytes` of pinned memory for copies to `device`, from torch's allocator, which gives freed blocks out again only after the copies that read them. From any thread. Throws
/// c10::Error where there is no GPU or no memory left to pin.
std::shared_ptr<std::byte> pinned_memory(std::size_t bytes, c10::Device device);

}  // namespace vae_dist::device
