#include "bench/measured_run.hpp"

#include "base/clock.hpp"
#include "device/synchronize.hpp"
#include "run/run_setup.hpp"
#include "step/convolution_plan.hpp"

namespace vae_dist::bench {

MeasuredRun::MeasuredRun(const MeasuredConfig& wanted, const comm::MpiWorld& world,
                         comm::CpuCommunicator& all_ranks)
    : config_(run::set_up_config(wanted.file, wanted.overrides, all_ranks)),
      flags_comm_(all_ranks.duplicate()),
      alone_(comm::make_self_communicator()),
      run_(run::prepare_run(config_, world, all_ranks)),
      // A rank that trains alone is a world of one rank.
      learner_({config_, data().shape(),
                wanted.exchange ? plan()
                                : input::ReplicaPlan{plan().samples_per_rank(),
                                                     plan().replicas_per_rank(), 1, 0},
                device(), run_.data.conditions.values(), data().size()},
               wanted.exchange ? all_ranks : *alone_, collectives_) {
  if (wanted.exchange) learner_.replicate(all_ranks);
  convolutions_ = step::plan_convolutions(learner_, {config_}, all_ranks);
  runner_.emplace(
      step::StepRunnerParts{
          .config = config_,
          .train = data(),
          .plan = plan(),
          .objective = run_.objective,
          .learning_rate = run_.rates,
          .device = device().device,
          .learner = learner_,
          .ranks = {.all = all_ranks, .flags = *flags_comm_, .node = *run_.data.node}},
      0);
}

void MeasuredRun::one_step(Laps& laps) {
  const base::Stopwatch watch;
  runner_->step({});
  laps.step.push_back(watch.elapsed().count());
  laps.data_wait.push_back(runner_->last().data_wait_seconds);
  laps.allreduce_wait.push_back(runner_->last().allreduce_wait_seconds);
}

Laps MeasuredRun::steps(std::int64_t count) {
  Laps laps;
  for (std::int64_t i = 0; i < count; ++i) one_step(laps);
  device::synchronize(device().device);
  return laps;
}

}  // namespace vae_dist::bench
