#include "run/prepared_run.hpp"

#include <utility>

#include "comm/agreement.hpp"
#include "kernels/instruction_set.hpp"
#include "run/choose_device.hpp"
#include "step/capture_rule.hpp"

namespace vae_dist::run {
namespace {

// Logs and metrics store steps as doubles, which are exact up to this number.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 53;

std::int64_t planned_steps(const config::TrainConfig& train, std::int64_t steps_per_epoch) {
  if (train.steps) return *train.steps;
  if (train.epochs > kMostSteps / steps_per_epoch)
    throw base::BadInput(
        base::text("train.epochs is ", train.epochs, ", which at ", steps_per_epoch,
                   " steps per epoch is more than the ", kMostSteps,
                   " steps that can be counted. Use fewer epochs, or set train.steps."));
  return train.epochs * steps_per_epoch;
}

// Resolves `auto`, at the run's first start: bf16 only if every rank computes it natively.
void choose_precision(config::TrainConfig& train, const device::DeviceChoice& device,
                      comm::CpuCommunicator& all_ranks) {
  if (train.precision != config::Precision::automatic) return;
  const bool slow =
      fastest_precision(device, kernels::multiplies_bfloat16()) != config::Precision::bf16;
  train.precision =
      comm::on_any_rank(all_ranks, slow) ? config::Precision::fp32 : config::Precision::bf16;
}

}  // namespace

PreparedRun prepare_run(config::Config& config, const comm::MpiWorld& world,
                        comm::CpuCommunicator& all_ranks, const input::FoundInTraining& kept) {
  const config::DistributedConfig& distributed = config.distributed;
  device::DeviceChoice device;
  NodeFacts node;
  std::vector<device::GpuIdentity> gpus;
  comm::agree(all_ranks, [&] {
    node = node_facts(world);
    if (node.gpus > 0) gpus = device::visible_gpus();
  });
  node.seen = gather_seen_gpus(*world.make_node_communicator(), gpus);
  comm::agree(all_ranks, [&] {
    device = choose_device(distributed, node);
    step::check_cuda_graph(config, device);
  });
  choose_precision(config.train, device, all_ranks);
  comm::agree(all_ranks,
              [&] { apply_device(device, config.train.precision, distributed.reproducible); });

  PreparedRun run{std::move(device), input::open_run_data(config, world, all_ranks, kept)};
  const data::SampleDataset& images = run.data.train;
  comm::agree(all_ranks, [&] {
    run.plan = input::make_replica_plan(config.train.global_batch, *distributed.replicas,
                                        world.size(), world.rank(), images.size());
    if (distributed.reproducible) input::check_reproducible(run.plan, distributed.batch_norm);
    step::check_likelihood_fits(config, images);
  });

  run.objective = step::resolve_objective(config, images.size(), images.shape());
  const std::int64_t steps_per_epoch = images.size() / run.plan.global_batch;
  comm::agree(all_ranks, [&] {
    run.rates = step::learning_rate_plan(config.train, steps_per_epoch,
                                         planned_steps(config.train, steps_per_epoch));
  });
  return run;
}

}  // namespace vae_dist::run
