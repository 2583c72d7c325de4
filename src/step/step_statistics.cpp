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

StepStatistics::StepStatistics(model::LatentModel& model, const objective::Objective& objective,
                               const at::TensorOptions& options, std::int64_t first_batch,
                               std::int64_t global_batches)
    : layers_(model.batch_norms()),
      likelihood_(model.likelihood()),
      objective_(objective),
      own_buffers_(model.own_buffers()),
      codes_(model.codes() && model.codes()->is_training() ? model.codes() : nullptr),
      first_batch_(first_batch),
      global_batches_(global_batches),
      batch_number_(at::zeros({}, options.dtype(at::kDouble))),
      latest_(statistics_layout(layers_, options.dtype().itemsize()), options),
      running_(latest_.slots(), options),
      left_out_(latest_.slots(), options),
      sums_(at::zeros({term_count() + latest_.flat().numel() + own_buffers_.size() +
                       (codes_ ? codes_->statistics_size() : 0)},
                      options)) {
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
  own_buffers_.begin_step();
  if (codes_) batch_number_.fill_(static_cast<double>(first_batch_));
}

void StepStatistics::add(const objective::LossTerms& loss, double weight,
                         const objective::StepWeights& weights) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> all = {loss.loss, loss.reconstruction, loss.kld};
  all.insert(all.end(), loss.extra_terms.begin(), loss.extra_terms.end());
  terms().add_(at::stack(all), weight);
  if (!layers_.empty()) of_layers().add_(latest_.flat(), weight);
  own_buffers_.add(of_own_buffers(), weight);
  if (!codes_) return;
  // Captured steps run the same work for each batch of a rank, so the batch's number is on the
  // device.
  const std::int64_t vectors = codes_->latest_vectors();
  codes_->add_statistics(of_codes(), batch_number_ * static_cast<double>(vectors),
                         vectors * global_batches_,
                         weights.code_draw_on_device.defined()
                             ? weights.code_draw_on_device
                             : at::full({}, weights.code_draw, batch_number_.options()));
  batch_number_.add_(1);
}

void StepStatistics::complete_terms() {
  if (const auto first = objective_.code_use_terms(); first && codes_)
    terms().narrow(0, 3 + static_cast<std::int64_t>(*first), 2).copy_(codes_->use(of_codes()));
}

at::Tensor StepStatistics::of_layers() const {
  return sums_.narrow(0, term_count(), latest_.flat().numel());
}

at::Tensor StepStatistics::of_own_buffers() const {
  return sums_.narrow(0, term_count() + latest_.flat().numel(), own_buffers_.size());
}

at::Tensor StepStatistics::of_codes() const {
  return sums_.slice(0, term_count() + latest_.flat().numel() + own_buffers_.size());
}

std::int64_t StepStatistics::term_count() const {
  return 3 + static_cast<std::int64_t>(objective_.extra_terms().size());
}

at::Tensor StepStatistics::terms() const { return sums_.slice(0, 0, term_count()); }

void StepStatistics::blend_layers(const at::Tensor& skip) {
  const at::Tensor& running = running_.flat();
  at::Tensor batch = of_layers();
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
  own_buffers_.finish(of_own_buffers(), skip);
  if (codes_) codes_->update(of_codes(), skip);

  // A frozen likelihood stays in evaluation mode during training.
  if (const auto error = objective_.squared_error_term(); error && likelihood_.is_training())
    likelihood_.blend_into_running(terms()[3 + static_cast<std::int64_t>(*error)], skip);
}

}  // namespace vae_dist::step
