#include "bench/measured_run.hpp"

#include "base/clock.hpp"
#include "bench/synchronize.hpp"
#include "comm/agreement.hpp"
#include "train/capture_rule.hpp"
#include "train/noise_tensor.hpp"
#include "train/run_setup.hpp"
#include "train/step_range.hpp"
#include "train/training_batches.hpp"

namespace vae_dist {

MeasuredRun::MeasuredRun(const std::string& config_file, const std::vector<std::string>& overrides, bool exchange, const MpiWorld& world, Communicator& host)
    : config_(set_up_config(config_file, overrides, host)), flags_comm_(host.duplicate()), alone_(make_self_communicator()), flags_(*flags_comm_) {
  agree(host, [&] {
    device_ = choose_device(config_.distributed, node_facts(world));
    check_cuda_graph(config_, device_);
    apply_device(device_, config_.train.precision, config_.distributed.reproducible);
  });
  data_.emplace(open_run_data(config_, world, host));
  const ImageDataset& images = data_->train;
  agree(host, [&] {
    plan_ = make_replica_plan(config_.train.global_batch, *config_.distributed.replicas, world.size(), world.rank(), images.size());
    if (config_.distributed.reproducible) check_reproducible(plan_, config_.distributed.batch_norm);
    check_likelihood_fits(config_, images);
  });
  objective_ = resolve_objective(config_, images.size(), images.shape());
  const std::int64_t steps_per_epoch = images.size() / plan_.global_batch;
  rates_ = learning_rate_plan(config_.train, steps_per_epoch, config_.train.steps.value_or(config_.train.epochs * steps_per_epoch));
  format_ = input_format(config_, images, device_.device);

  // A rank that trains by itself is a world of one.
  const ReplicaPlan alone{plan_.samples_per_rank(), plan_.replicas_per_rank(), 1, 0};
  learner_.emplace(config_, images.shape(), exchange ? plan_ : alone, device_, exchange ? host : *alone_, collectives_);
  if (exchange) learner_->replicate(host);
  const std::int64_t noise = learner_->objective().noise_per_sample(plan_.samples_per_replica());
  batches_ = training_batches({config_, images, plan_, noise, device_.device, *data_->node, host}, 0, 0);
}

void MeasuredRun::one_step(Laps& laps) {
  const Stopwatch watch;
  double data_wait = 0;
  at::Tensor images, noise;
  {
    const StepRange range("data");
    const Batch batch = batches_->next();
    data_wait = watch.elapsed().count();
    images = model_input(batch.pixels, format_);
    noise = noise_tensor(batch, format_);
  }
  const StepOutcome outcome = learner_->step(images, noise, learning_rate(rates_, step_), objective_.weights_at(step_));
  flags_.exchange({});
  unread_.emplace_back(outcome.values);
  if (unread_.size() > AgreedFlags::kStepsLate) {
    unread_.front().get();
    unread_.pop_front();
  }
  ++step_;
  laps.step.push_back(watch.elapsed().count());
  laps.data_wait.push_back(data_wait);
  laps.allreduce_wait.push_back(learner_->reducer().exposed_wait().count());
}

Laps MeasuredRun::steps(std::int64_t count) {
  Laps laps;
  for (std::int64_t i = 0; i < count; ++i) one_step(laps);
  synchronize(device_.device);
  return laps;
}

}  // namespace vae_dist
