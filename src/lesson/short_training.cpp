#include "lesson/short_training.hpp"

#include <ATen/ATen.h>

#include "data/prefetching_loader.hpp"
#include "step/image_tensor.hpp"
#include "step/noise_tensor.hpp"
#include "step/open_data.hpp"
#include "device/deferred_values.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kStepsAPoint = 20;

}  // namespace

ShortTraining::ShortTraining(const config::Config& config, const data::SampleDataset& data, const device::DeviceChoice& device)
    : config_(config),
      data_(data),
      device_(device),
      objective_(step::resolve_objective(config, data.size(), data.shape())),
      self_(comm::make_self_communicator()),
      learner_(config, data.shape(), step::make_replica_plan(config.train.global_batch, 1, 1, 0, data.size()), device, *self_, log_) {}

void ShortTraining::train(std::int64_t steps) {
  data::BatchPlan plan;
  plan.seed = static_cast<std::uint64_t>(config_.run.seed);
  plan.global_batch = plan.count = config_.train.global_batch;
  plan.noise_per_sample = objective().noise_per_sample(plan.count);
  const std::int64_t epoch_steps = plan.steps_per_epoch(data_.size());
  data::PrefetchingLoader loader(data_, plan, steps_done_ / epoch_steps, steps_done_ % epoch_steps, /*ahead=*/3);
  const data::InputFormat format = step::input_format(config_, data_, device_.device);

  at::Tensor sum;
  for (std::int64_t i = 0; i < steps; ++i) {
    const data::Batch batch = loader.next();
    const step::StepOutcome outcome = learner_.step(step::image_tensor(batch, format), step::noise_tensor(batch, format), config_.train.optimizer.learning_rate, objective_.weights_at(steps_done_));
    ++steps_done_;
    sum = sum.defined() ? sum + outcome.values : outcome.values.clone();
    if (steps_done_ % kStepsAPoint != 0) continue;
    const std::vector<double> mean = device::DeferredValues(sum / kStepsAPoint).get();
    curve_.push_back({static_cast<double>(steps_done_), mean[1], mean[2], {mean.begin() + 5, mean.end()}});
    sum = at::Tensor();
  }
}

evaluate::Evaluation ShortTraining::evaluate_on(const data::SampleDataset& data, std::int64_t samples) {
  evaluate::EvaluationOptions options;
  options.format = step::input_format(config_, data, device_.device);
  options.weights = objective_.weights_at(steps_done_);
  options.samples = samples;
  options.seed = static_cast<std::uint64_t>(config_.run.seed);
  return evaluate::evaluate(model(), objective(), data, options, *self_);
}

}  // namespace vae_dist::lesson
