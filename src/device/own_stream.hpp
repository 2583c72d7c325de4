// Runs work on a stream of its own, beside a main stream that may hang.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

namespace vae_dist::device {

/// During its lifetime, what this thread gives the device runs on another stream than that of the
/// training. No-op on the CPU.
class OwnStream {
 public:
  explicit OwnStream(c10::Device device) {
    if (!device.is_cpu())
      guard_.emplace(
          c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, true));
  }

 private:
  std::optional<c10::StreamGuard> guard_;
};

}  // namespace vae_dist::device
