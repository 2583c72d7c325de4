// The division of a global batch into replicas, and of the replicas among the ranks. All computed
// quantities depend on the number of replicas R, never on the number of ranks.
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "data/epoch_order.hpp"

namespace vae_dist::input {

struct ReplicaPlan {
  std::int64_t global_batch = 0;  ///< G
  std::int64_t replicas = 1;      ///< R
  int world_size = 1, rank = 0;

  std::int64_t replicas_per_rank() const { return replicas / world_size; }
  std::int64_t samples_per_replica() const { return global_batch / replicas; }
  std::int64_t samples_per_rank() const { return replicas_per_rank() * samples_per_replica(); }
  data::ReplicaRange own_replicas() const {
    return {rank * replicas_per_rank(), (rank + 1) * replicas_per_rank()};
  }
  /// Returns the index within the global batch of this rank's first sample. Rank k holds the
  /// contiguous replicas k*R/np .. (k+1)*R/np - 1.
  std::int64_t first_sample() const { return rank * samples_per_rank(); }
};

/// Makes a plan. Throws BadInput, with the numbers and the nearest valid ones, if G is not
/// divisible by R, R is not divisible by np, a replica has a single sample (no variance for batch
/// norm), or N < G.
ReplicaPlan make_replica_plan(std::int64_t global_batch, std::int64_t replicas, int world_size,
                              int rank, std::int64_t training_samples);

/// Throws BadInput unless the plan can be reproducible. The sum is a binary tree only if R and the
/// number of ranks are powers of two, and only `local` batch norm sees the same batches at any
/// number of ranks.
void check_reproducible(const ReplicaPlan& plan, config::BatchNorm batch_norm);

}  // namespace vae_dist::input
