#include "device/progress_marks.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <stdexcept>

namespace vae_dist::device {

ProgressMarks::ProgressMarks(std::int64_t collectives, c10::Device device)
    // Starts one round early: the first begin() makes the values 1, 2, 3, ...
    : values_(at::arange(1 - 2 * collectives, 1, at::TensorOptions(device).dtype(at::kInt))),
      word_(at::zeros({1}, at::TensorOptions(at::kInt).pinned_memory(device.is_cuda()))) {}

void ProgressMarks::begin() {
  next_ = 0;
  values_.add_(values_.numel());
}

void ProgressMarks::pass() {
  if (next_ == values_.numel()) throw std::logic_error("this round has no further mark to pass");
  word_.copy_(values_.slice(0, next_, next_ + 1), /*non_blocking=*/true);
  ++next_;
}

std::shared_ptr<const std::uint32_t> ProgressMarks::word() const {
  const auto owner = std::make_shared<at::Tensor>(word_);
  return {owner, static_cast<const std::uint32_t*>(owner->const_data_ptr())};
}

}  // namespace vae_dist::device
