#include "input/replica_plan.hpp"

#include "base/error.hpp"
#include "base/power_of_two.hpp"

namespace vae_dist::input {

ReplicaPlan make_replica_plan(std::int64_t global_batch, std::int64_t replicas, int world_size,
                              int rank, std::int64_t training_samples) {
  if (replicas % world_size != 0)
    throw base::BadInput(
        base::text("distributed.replicas ", replicas, " is not divisible by the ", world_size,
                   " ranks that were started; each rank runs R / np replicas. Start a number of "
                   "ranks that divides ",
                   replicas, ", or set distributed.replicas to a multiple of ", world_size,
                   " for a new run, which can start with the weights of this one (vae_dist train "
                   "--from)."));
  if (global_batch % replicas != 0) {
    const std::int64_t below = global_batch / replicas * replicas;
    throw base::BadInput(base::text(
        "train.global_batch ", global_batch, " is not divisible by the ", replicas,
        " replicas (distributed.replicas, or the number of ranks at the first start). Use ",
        below > 0 ? base::text(below, " or ") : "", below + replicas, "."));
  }
  if (global_batch / replicas < 2)
    throw base::BadInput(base::text("train.global_batch ", global_batch, " over ", replicas,
                                    " replicas leaves each with one sample, which has no variance "
                                    "to normalise by. Use at least ",
                                    2 * replicas, "."));
  if (training_samples < global_batch)
    throw base::BadInput(base::text(
        "data.train has ", training_samples, " samples, fewer than train.global_batch ",
        global_batch, ", so an epoch would have no step. Use a smaller batch or more rows."));
  return {global_batch, replicas, world_size, rank};
}

void check_reproducible(const ReplicaPlan& plan, config::BatchNorm batch_norm) {
  if (!base::is_power_of_two(plan.replicas))
    throw base::BadInput(
        base::text("distributed.reproducible sums gradients in a binary tree, so the number of "
                   "replicas must be a power of two; distributed.replicas is ",
                   plan.replicas, "."));
  if (!base::is_power_of_two(plan.world_size))
    throw base::BadInput(
        base::text("distributed.reproducible sums gradients in a binary tree, so the number of "
                   "ranks must be a power of two; ",
                   plan.world_size, " were started."));
  if (batch_norm != config::BatchNorm::local)
    throw base::BadInput(
        "distributed.reproducible needs distributed.batch_norm local: with sync, the replicas of a "
        "rank run as one batch, whose sums depend on the number of ranks.");
}

}  // namespace vae_dist::input
