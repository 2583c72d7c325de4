#include "train/prepared_run.hpp"

#include <utility>

#include "comm/agreement.hpp"
#include "train/step/capture_rule.hpp"

namespace vae_dist {
namespace {

std::int64_t planned_steps(const TrainConfig& train, std::int64_t steps_per_epoch) { return train.steps.value_or(train.epochs * steps_per_epoch); }

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
  const ImageDataset& images = run.data.train;
  agree(host, [&] {
    run.plan = make_replica_plan(config.train.global_batch, *distributed.replicas, world.size(), world.rank(), images.size());
    if (distributed.reproducible) check_reproducible(run.plan, distributed.batch_norm);
    check_likelihood_fits(config, images);
  });

  run.objective = resolve_objective(config, images.size(), images.shape());
  const std::int64_t steps_per_epoch = images.size() / run.plan.global_batch;
  run.rates = learning_rate_plan(config.train, steps_per_epoch, planned_steps(config.train, steps_per_epoch));
  return run;
}

}  // namespace vae_dist
