#include "step/training_step.hpp"

#include <ATen/ATen.h>

#include "step/step_range.hpp"

namespace vae_dist::step {

StepValues step_values(const std::vector<double>& numbers) {
  StepValues out{numbers.at(0), numbers.at(1), numbers.at(2), numbers.at(3), numbers.at(4) != 0, {}};
  out.others.assign(numbers.begin() + 5, numbers.end());
  return out;
}

TrainingStep::TrainingStep(model::LatentModel& model, const objective::Objective& objective, parallel::ParameterArena& parameters, StepStatistics& statistics, parallel::GradientReducer& reducer, Optimizer& optimizer, WeightAverage* average,
                           const StepOptions& options)
    : model_(model), objective_(objective), parameters_(parameters), statistics_(statistics), reducer_(reducer), optimizer_(optimizer), average_(average), options_(options) {}

StepOutcome TrainingStep::run(const at::Tensor& images, const at::Tensor& noise, double learning_rate, const objective::StepWeights& weights) {
  return run_all(images, noise, learning_rate, weights);
}

StepOutcome TrainingStep::run(const at::Tensor& images, const at::Tensor& noise, const at::Tensor& learning_rate, const objective::StepWeights& weights) {
  return run_all(images, noise, learning_rate, weights);
}

template <typename Rate>
StepOutcome TrainingStep::run_all(const at::Tensor& images, const at::Tensor& noise, const Rate& learning_rate, const objective::StepWeights& weights) {
  begin();
  const auto image_parts = images.chunk(options_.batches), noise_parts = noise.chunk(options_.batches);
  for (std::size_t i = 0; i < image_parts.size(); ++i) {
    run_batch(image_parts[i], noise_parts[i], weights);
    batch_done();
  }
  return end(learning_rate);
}

void TrainingStep::begin() {
  reducer_.begin_step();
  statistics_.begin_step();
}

void TrainingStep::run_batch(const at::Tensor& images, const at::Tensor& noise, const objective::StepWeights& weights) {
  const double share = 1.0 / static_cast<double>(options_.global_batches);
  const objective::LossTerms terms = [&] {
    const StepRange range("forward");
    return objective_.terms(model_, images, noise, weights, options_.batch_replicas);
  }();
  statistics_.add(terms, share);
  reducer_.batch_forwarded();
  const StepRange range("backward");
  (terms.loss * share).backward();
}

template <typename Rate>
StepOutcome TrainingStep::end(const Rate& learning_rate) {
  {
    const StepRange range("exchange");
    reducer_.finish();
  }

  // From here on every rank computes the same from the same sums.
  const StepRange range("optimizer");
  const at::NoGradGuard no_grad;
  const at::Tensor& gradients = parameters_.gradients();
  const at::Tensor terms = statistics_.terms();
  const at::Tensor norm = gradients.norm();
  at::Tensor good = at::isfinite(norm).logical_and(at::isfinite(terms.slice(0, 0, 3)).all());
  if (options_.skip_above_norm) good = good.logical_and(norm <= *options_.skip_above_norm);
  const at::Tensor skip = good.logical_not().to(at::kFloat).view(1);

  // As torch.nn.utils.clip_grad_norm_ does. Not by NaN: nobody writes to the gaps between gradients, whose zeros would be NaN for good.
  if (options_.clip_norm) gradients.mul_(at::where(good, (*options_.clip_norm / (norm + 1e-6)).clamp_max(1.0), at::ones_like(norm)));
  optimizer_.step(learning_rate, skip);
  if (average_) average_->update(optimizer_.step_count(), skip);
  statistics_.blend_into_running(skip);
  return {at::cat({terms.slice(0, 0, 3), norm.view(1), skip.to(terms.scalar_type()), terms.slice(0, 3)})};
}

template StepOutcome TrainingStep::end(const double&);
template StepOutcome TrainingStep::end(const at::Tensor&);

}  // namespace vae_dist::step
