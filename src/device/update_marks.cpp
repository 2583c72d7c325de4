#include "device/update_marks.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

namespace vae_dist::device {

UpdateMarks::UpdateMarks(c10::Device device)
    : on_device_(at::zeros({2}, at::TensorOptions(device).dtype(at::kLong))),
      on_host_(at::zeros({2}, at::TensorOptions(at::kLong).pinned_memory(device.is_cuda()))) {}

void UpdateMarks::mark(std::int64_t which) {
  const at::NoGradGuard no_grad;
  const at::Tensor count = on_device_.slice(0, which, which + 1);
  count.add_(1);
  on_host_.slice(0, which, which + 1).copy_(count, /*non_blocking=*/true);
}

// The device writes these words behind the compiler's back. The end is read first: an update that
// begins between the two reads then shows as begun.
UpdateMarks::Counts UpdateMarks::counts() const {
  const auto* const words = on_host_.const_data_ptr<std::int64_t>();
  Counts out;
  out.ended = __atomic_load_n(words + 1, __ATOMIC_ACQUIRE);
  out.begun = __atomic_load_n(words, __ATOMIC_ACQUIRE);
  return out;
}

}  // namespace vae_dist::device
