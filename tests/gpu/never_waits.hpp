// Makes LibTorch throw whenever it would wait for the device.
#pragma once

#include <c10/cuda/CUDAFunctions.h>

namespace vae_dist {

class NeverWaits {
 public:
  NeverWaits() {
    c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_ERROR);
  }
  ~NeverWaits() {
    c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED);
  }
};

}  // namespace vae_dist
