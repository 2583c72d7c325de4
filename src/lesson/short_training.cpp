#include "lesson/short_training.hpp"

#include "input/open_data.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kStepsAPoint = 20;
constexpr std::int64_t kMostSteps = 1'000'000;  // the learning rate is constant

}  // namespace

ShortTraining::ShortTraining(const config::Config& config, const data::SampleDataset& data,
                             const device::DeviceChoice& device)
    : config_(config),
      data_(data),
      device_(device),
      objective_(step::resolve_objective(config, data.size(), data.shape())),
      plan_(input::make_replica_plan(config.train.global_batch, 1, 1, 0, data.size())),
      learning_rate_(step::learning_rate_plan(config.train, data.size() / config.train.global_batch,
                                              kMostSteps)),
      self_(comm::make_self_communicator()),
      learner_({config, data.shape(), plan_, device, 0, data.size()}, *self_, log_),
      runner_({.config = config_,
               .train = data_,
               .plan = plan_,
               .objective = objective_,
               .learning_rate = learning_rate_,
               .device = device_.device,
               .learner = learner_,
               .ranks = {*self_, *self_, *self_}},
              0) {}

void ShortTraining::train(std::int64_t steps) {
  const auto read = [this](const step::DoneStep& done) { add_to_curve(done); };
  for (std::int64_t i = 0; i < steps; ++i) runner_.step({.read = read});
  runner_.read_all(read);
}

void ShortTraining::add_to_curve(const step::DoneStep& done) {
  constexpr double kShare = 1.0 / static_cast<double>(kStepsAPoint);
  if ((done.step - 1) % kStepsAPoint == 0)
    next_point_ = {0, 0, 0, std::vector<double>(done.values.extra_terms.size())};
  next_point_.reconstruction += kShare * done.values.reconstruction;
  next_point_.kld_nats += kShare * done.values.kld_nats;
  for (std::size_t i = 0; i < next_point_.extra_terms.size(); ++i)
    next_point_.extra_terms[i] += kShare * done.values.extra_terms[i];
  if (done.step % kStepsAPoint != 0) return;
  next_point_.step = static_cast<double>(done.step);
  curve_.push_back(next_point_);
}

evaluate::Evaluation ShortTraining::evaluate_on(const data::SampleDataset& data,
                                                std::int64_t samples) {
  evaluate::EvaluationOptions options;
  options.format = input::input_format(config_, data, device_.device);
  options.weights = objective_.weights_at(runner_.steps_done());
  options.samples = samples;
  options.seed = static_cast<std::uint64_t>(config_.run.seed);
  return evaluate::evaluate(model(), objective(), data, options, *self_);
}

}  // namespace vae_dist::lesson
