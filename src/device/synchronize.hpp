// Waiting for a device, which training never does and measuring must.
#pragma once

#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::device {

/// Returns when the device has done what it was given. On the CPU it has.
inline void synchronize(c10::Device device) {
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

}  // namespace vae_dist::device
