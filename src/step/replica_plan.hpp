// How a global batch is cut into replicas, and the replicas onto ranks. The unit of meaning is the
// replica: whatever the mathematics sees depends on R, never on the number of ranks.
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace vae_dist::step {

struct ReplicaPlan {
  std::int64_t global_batch = 0;  ///< G
  std::int64_t replicas = 1;      ///< R
  int world_size = 1, rank = 0;

  std::int64_t replicas_per_rank() const { return replicas / world_size; }
  std::int64_t samples_per_replica() const { return global_batch / replicas; }
  std::int64_t samples_per_rank() const { return replicas_per_rank() * samples_per_replica(); }
  /// Rank k holds the contiguous replicas k*R/np .. (k+1)*R/np - 1; their samples begin here within
  /// the global batch.
  std::int64_t first_sample() const { return rank * samples_per_rank(); }
};

/// Throws BadInput with the numbers and the nearest ones that work: G not divisible by R, R not by
/// np, replicas of a single sample (batch norm has no variance then), N < G.
ReplicaPlan make_replica_plan(std::int64_t global_batch, std::int64_t replicas, int world_size,
                              int rank, std::int64_t training_samples);

/// Throws BadInput unless the plan can be reproducible: powers of two of replicas and ranks make
/// the sum a binary tree, and `local` batch norm sees the same batches at any number of ranks.
void check_reproducible(const ReplicaPlan& plan, config::BatchNorm batch_norm);

}  // namespace vae_dist::step
