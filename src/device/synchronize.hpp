// Waits for a device, which training never does but measurements must.
#pragma once

#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::device {

/// Waits until the device has finished all queued work. No-op on the CPU.
inline void synchronize(c10::Device device) {
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

}  // namespace vae_dist::device
