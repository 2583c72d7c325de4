#include "bench/measured_run.hpp"

#include "base/clock.hpp"
#include "device/synchronize.hpp"
#include "step/image_tensor.hpp"
#include "step/noise_tensor.hpp"
#include "step/training_batches.hpp"
#include "run/run_setup.hpp"
#include "step/step_range.hpp"

namespace vae_dist::bench {

MeasuredRun::MeasuredRun(const std::string& config_file, const std::vector<std::string>& overrides, bool exchange, const comm::MpiWorld& world, comm::HostCommunicator& host)
    : config_(run::set_up_config(config_file, overrides, host)),
      flags_comm_(host.duplicate()),
      alone_(comm::make_self_communicator()),
      run_(run::prepare_run(config_, world, host)),
      format_(step::input_format(config_, data(), device().device)),
      // A rank that trains by itself is a world of one.
      learner_(config_, data().shape(), exchange ? plan() : step::ReplicaPlan{plan().samples_per_rank(), plan().replicas_per_rank(), 1, 0}, device(), exchange ? host : *alone_, collectives_),
      flags_(*flags_comm_) {
  if (exchange) learner_.replicate(host);
  const std::int64_t noise = learner_.objective().noise_per_sample(plan().samples_per_replica());
  batches_ = step::training_batches({config_, data(), plan(), noise, device().device, *run_.data.node, host}, 0, 0);
}

void MeasuredRun::one_step(Laps& laps) {
  const base::Stopwatch watch;
  double data_wait = 0;
  at::Tensor images, noise;
  {
    const step::StepRange range("data");
    const data::Batch batch = batches_->next();
    data_wait = watch.elapsed().count();
    images = step::image_tensor(batch, format_);
    noise = step::noise_tensor(batch, format_);
  }
  const step::StepOutcome outcome = learner_.step(images, noise, step::learning_rate(run_.rates, step_), run_.objective.weights_at(step_));
  flags_.exchange({});
  unread_.emplace_back(outcome.values);
  if (unread_.size() > step::AgreedFlags::kStepsLate) {
    unread_.front().get();
    unread_.pop_front();
  }
  ++step_;
  laps.step.push_back(watch.elapsed().count());
  laps.data_wait.push_back(data_wait);
  laps.allreduce_wait.push_back(learner_.reducer().exposed_wait().count());
}

Laps MeasuredRun::steps(std::int64_t count) {
  Laps laps;
  for (std::int64_t i = 0; i < count; ++i) one_step(laps);
  device::synchronize(device().device);
  return laps;
}

}  // namespace vae_dist::bench
