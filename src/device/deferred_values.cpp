#include "device/deferred_values.hpp"

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::device {

DeferredValues::DeferredValues(const at::Tensor& values) {
  const at::Tensor wide = values.to(at::kDouble);
  if (!wide.is_cuda()) {
    host_ = wide;
    return;
  }
  host_ = at::empty(wide.sizes(), wide.options().device(at::kCPU).pinned_memory(true));
  host_.copy_(wide, /*non_blocking=*/true);
  copied_.emplace(c10::DeviceType::CUDA);
  copied_->record(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(wide.device()));
}

std::vector<double> DeferredValues::get() {
  if (copied_) copied_->synchronize();
  const auto* data = host_.const_data_ptr<double>();
  return {data, data + host_.numel()};
}

}  // namespace vae_dist::device
