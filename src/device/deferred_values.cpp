#include "device/deferred_values.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::device {
namespace {

at::Tensor on_host_beside(const at::Tensor& values) {
  return at::empty(values.sizes(), values.options().device(at::kCPU).pinned_memory(true));
}

}  // namespace

DeferredValues::DeferredValues(const at::Tensor& values) {
  const at::Tensor wide = values.to(at::kDouble);
  if (!wide.is_cuda()) {
    host_ = wide;
    return;
  }
  host_ = on_host_beside(wide);
  host_.copy_(wide, /*non_blocking=*/true);
  mark_copied(wide.device());
}

DeferredValues::DeferredValues(at::Tensor host, c10::Device device) : host_(std::move(host)) {
  if (device.is_cuda()) mark_copied(device);
}

void DeferredValues::mark_copied(c10::Device device) {
  copied_.emplace(c10::DeviceType::CUDA);
  copied_->record(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(device));
}

std::vector<double> DeferredValues::get() {
  if (copied_) copied_->synchronize();
  const auto* data = host_.const_data_ptr<double>();
  return {data, data + host_.numel()};
}

DeferredRing::DeferredRing(std::int64_t values, c10::Device device)
    : on_device_(at::zeros({kRows, values}, at::TensorOptions(device).dtype(at::kDouble))),
      on_host_(device.is_cuda() ? on_host_beside(on_device_) : on_device_) {}

void DeferredRing::write(const at::Tensor& values, const at::Tensor& row) {
  const at::NoGradGuard no_grad;
  on_device_.index_copy_(0, row.to(at::kLong), values.to(at::kDouble).unsqueeze(0));
  // All rows, because a recorded copy has a fixed place. Rows that are still to be read receive the
  // values that they have.
  if (on_device_.is_cuda()) on_host_.copy_(on_device_, /*non_blocking=*/true);
}

DeferredValues DeferredRing::written(std::int64_t row) const {
  return {on_host_[row], on_device_.device()};
}

}  // namespace vae_dist::device
