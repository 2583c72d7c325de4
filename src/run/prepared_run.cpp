#include "run/prepared_run.hpp"

#include <utility>

#include "comm/agreement.hpp"
#include "step/capture_rule.hpp"

namespace vae_dist {
namespace {

// Logs and metrics carry steps as doubles, which count so far exactly.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 53;

std::int64_t planned_steps(const TrainConfig& train, std::int64_t steps_per_epoch) {
  if (train.steps) return *train.steps;
  if (train.epochs > kMostSteps / steps_per_epoch)
    throw BadInput(text("train.epochs is ", train.epochs, "; at ", steps_per_epoch, " steps each that is more than the ", kMostSteps, " steps that can be counted. Use fewer, or train.steps."));
  return train.epochs * steps_per_epoch;
}

}  // namespace

PreparedRun prepare_run(Config& config, const MpiWorld& world, Communicator& host) {
  const DistributedConfig& distributed = config.distributed;
  DeviceChoice device;
  agree(host, [&] {
    device = choose_device(distributed, node_facts(world));
    check_cuda_graph(config, device);
    apply_device(device, config.train.precision, distributed.reproducible);
  });

  PreparedRun run{std::move(device), open_run_data(config, world, host)};
  const SampleDataset& images = run.data.train;
  agree(host, [&] {
    run.plan = make_replica_plan(config.train.global_batch, *distributed.replicas, world.size(), world.rank(), images.size());
    if (distributed.reproducible) check_reproducible(run.plan, distributed.batch_norm);
    check_likelihood_fits(config, images);
  });

  run.objective = resolve_objective(config, images.size(), images.shape());
  const std::int64_t steps_per_epoch = images.size() / run.plan.global_batch;
  agree(host, [&] { run.rates = learning_rate_plan(config.train, steps_per_epoch, planned_steps(config.train, steps_per_epoch)); });
  return run;
}

}  // namespace vae_dist
