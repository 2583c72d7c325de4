// Makes the batch of any (epoch, step): a pure function of seed, epoch, step and sample index, and
// the dataset's content. Never of rank, world size, thread or time.
#pragma once

#include "base/thread_team.hpp"
#include "data/batch.hpp"
#include "data/epoch_order.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::data {

struct BatchPlan {
  std::uint64_t seed = 0;
  std::int64_t global_batch = 0;  ///< G: step s takes positions [s*G, (s+1)*G) of the epoch's order
  std::int64_t first = 0,
               count = 0;  ///< this rank's part of them: [s*G + first, s*G + first + count)
  std::int64_t noise_per_sample = 0;
  bool horizontal_flip = false;    ///< by the seed, each image with probability 1/2
  bool flip_on_device = false;     ///< only say which: Batch::mirrored
  std::int64_t window_chunks = 0;  ///< see EpochOrder

  /// The last partial global batch is dropped.
  std::int64_t steps_per_epoch(std::int64_t samples) const { return samples / global_batch; }
};

/// Where a batch finds the decoded image of a sample (before finishing). What it gives is good
/// until the batch is made.
using DecodedImages = std::function<std::span<const std::byte>(std::int64_t sample)>;

/// What a batch is made with; none of it changes the batch.
struct BatchMeans {
  DecodedImages images;  ///< empty: the dataset itself. Called from all of the team's threads
  const BatchMemory& memory;
  base::ThreadTeam& team;
};

/// order: of this epoch. Throws whatever reading throws.
Batch make_batch(const SampleDataset& dataset, const BatchPlan& plan, const EpochOrder& order,
                 std::int64_t epoch, std::int64_t step, const BatchMeans& means);
Batch make_batch(const SampleDataset& dataset, const BatchPlan& plan, std::int64_t epoch,
                 std::int64_t step);

}  // namespace vae_dist::data
