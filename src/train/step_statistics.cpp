#include "train/step_statistics.hpp"

#include <ATen/ATen.h>

namespace vae_dist {
namespace {

constexpr std::int64_t kLosses = 3;

std::vector<ArenaSlot> statistics_layout(const std::vector<BatchNorm2d>& layers, std::size_t element_bytes) {
  std::vector<ArenaSlot> slots;
  for (const BatchNorm2d& layer : layers) {
    append_slot(slots, "mean", layer->running_mean.sizes().vec(), element_bytes);
    append_slot(slots, "variance", layer->running_var.sizes().vec(), element_bytes);
  }
  return slots;
}

}  // namespace

StepStatistics::StepStatistics(std::vector<BatchNorm2d> layers, const at::TensorOptions& options)
    : layers_(std::move(layers)),
      latest_(statistics_layout(layers_, options.dtype().itemsize()), options),
      running_(latest_.slots(), options),
      sums_(at::zeros({kLosses + latest_.flat().numel()}, options)) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    BatchNorm2dImpl& layer = *layers_[i];
    layer.batch_mean = latest_.view(2 * i);
    layer.batch_var = latest_.view(2 * i + 1);
    // The module's registered buffers are these same tensors: their storage is exchanged, not the tensors.
    running_.view(2 * i).copy_(layer.running_mean);
    running_.view(2 * i + 1).copy_(layer.running_var);
    layer.running_mean.set_data(running_.view(2 * i));
    layer.running_var.set_data(running_.view(2 * i + 1));
  }
}

// The layers write (1 - momentum) * old + momentum * new with momentum 1, and 0 * NaN is NaN.
void StepStatistics::begin_step() { latest_.flat().zero_(); }

void StepStatistics::add(const VaeLoss& loss, double weight) {
  const at::NoGradGuard no_grad;
  losses().add_(at::stack({loss.loss, loss.reconstruction, loss.kld}), weight);
  sums_.slice(0, kLosses).add_(latest_.flat(), weight);
}

at::Tensor StepStatistics::losses() const { return sums_.slice(0, 0, kLosses); }

void StepStatistics::blend_into_running(const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  const at::Tensor& running = running_.flat();
  const at::Tensor blended = running * (1 - BatchNorm2dImpl::kMomentum) + sums_.slice(0, kLosses) * BatchNorm2dImpl::kMomentum;
  running.copy_(at::where(skip.to(at::kBool), running, blended));
  const at::Tensor counted = (1 - skip).to(at::kLong).squeeze();
  for (BatchNorm2d& layer : layers_) layer->num_batches_tracked.add_(counted);
}

}  // namespace vae_dist
