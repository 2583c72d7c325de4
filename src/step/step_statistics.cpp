#include "step/step_statistics.hpp"

#include <ATen/ATen.h>

namespace vae_dist::step {
namespace {

std::vector<parallel::ArenaSlot> statistics_layout(const std::vector<model::BatchNorm>& layers,
                                                   std::size_t element_bytes) {
  std::vector<parallel::ArenaSlot> slots;
  for (const model::BatchNorm& layer : layers) {
    parallel::append_slot(slots, "mean", layer->running_mean.sizes().vec(), element_bytes);
    parallel::append_slot(slots, "variance", layer->running_var.sizes().vec(), element_bytes);
  }
  return slots;
}

}  // namespace

StepStatistics::StepStatistics(std::vector<model::BatchNorm> layers, model::Likelihood& likelihood,
                               const objective::Objective& objective,
                               const at::TensorOptions& options)
    : layers_(std::move(layers)),
      likelihood_(likelihood),
      objective_(objective),
      latest_(statistics_layout(layers_, options.dtype().itemsize()), options),
      running_(latest_.slots(), options),
      left_out_(latest_.slots(), options),
      sums_(at::zeros({term_count() + latest_.flat().numel()}, options)) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    model::BatchNormImpl& layer = *layers_[i];
    layer.batch_mean = latest_.view(2 * i);
    layer.batch_var = latest_.view(2 * i + 1);
    // These tensors are the module's registered buffers, so their storage is replaced, not the
    // tensors.
    running_.view(2 * i).copy_(layer.running_mean);
    running_.view(2 * i + 1).copy_(layer.running_var);
    layer.running_mean.set_data(running_.view(2 * i));
    layer.running_var.set_data(running_.view(2 * i + 1));
    if (!layer.left_out_bias.defined()) continue;
    leaves_out_ = true;
    left_out_.view(2 * i).copy_(layer.left_out_bias.detach());
    layer.left_out_bias.set_data(left_out_.view(2 * i));
  }
}

// The layers write (1 - momentum) * old + momentum * new with momentum 1, so an old NaN would stay.
void StepStatistics::begin_step() {
  if (!layers_.empty()) latest_.flat().zero_();
}

void StepStatistics::add(const objective::LossTerms& loss, double weight) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> all = {loss.loss, loss.reconstruction, loss.kld};
  all.insert(all.end(), loss.extra_terms.begin(), loss.extra_terms.end());
  terms().add_(at::stack(all), weight);
  if (!layers_.empty()) sums_.slice(0, term_count()).add_(latest_.flat(), weight);
}

std::int64_t StepStatistics::term_count() const {
  return 3 + static_cast<std::int64_t>(objective_.extra_terms().size());
}

at::Tensor StepStatistics::terms() const { return sums_.slice(0, 0, term_count()); }

void StepStatistics::blend_layers(const at::Tensor& skip) {
  const at::Tensor& running = running_.flat();
  at::Tensor batch = sums_.slice(0, term_count());
  if (leaves_out_) batch = batch + left_out_.flat();
  const at::Tensor blended =
      running * (1 - model::BatchNormImpl::kMomentum) + batch * model::BatchNormImpl::kMomentum;
  running.copy_(at::where(skip.to(at::kBool), running, blended));
  const at::Tensor counted = (1 - skip).to(at::kLong).squeeze();
  std::vector<at::Tensor> counts;
  for (model::BatchNorm& layer : layers_) counts.push_back(layer->num_batches_tracked);
  at::_foreach_add_(counts, counted);
}

void StepStatistics::blend_into_running(const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  if (!layers_.empty()) blend_layers(skip);

  // A frozen likelihood stays in evaluation mode during training.
  if (const auto error = objective_.squared_error_term(); error && likelihood_.is_training())
    likelihood_.blend_into_running(terms()[3 + static_cast<std::int64_t>(*error)], skip);
}

}  // namespace vae_dist::step
