#include "step/step_range.hpp"

// NVIDIA's header looks for an attached tool at run time, so nothing needs to be linked. A wheel
// without CUDA does not have the header.
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define VAE_DIST_NVTX(call) call
#else
#define VAE_DIST_NVTX(call) ((void)0)
#endif

namespace vae_dist::step {

StepRange::StepRange(const char* name) : record_(at::RecordScope::USER_SCOPE) {
  if (record_.isActive()) record_.before(name);
  VAE_DIST_NVTX(nvtxRangePushA(name));
}

StepRange::~StepRange() { VAE_DIST_NVTX(nvtxRangePop()); }

}  // namespace vae_dist::step
