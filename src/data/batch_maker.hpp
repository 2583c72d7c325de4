// Makes the batch of any (epoch, step). A batch is a pure function of the seed, the epoch, the
// step, the sample indices and the content of the dataset. It never depends on the rank, the world
// size, threads or time.
#pragma once

#include <string>

#include "base/thread_team.hpp"
#include "data/batch.hpp"
#include "data/epoch_order.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::data {

/// A rank's part of every global batch.
struct BatchPlan : OrderPlan {
  std::int64_t first = 0,
               count = 0;  ///< positions [s*G + first, s*G + first + count) of the epoch's order
  std::int64_t noise_per_sample = 0;
  std::string flips = {};       ///< axes of space ("W", "HW"): along each of them a sample is
                                ///< mirrored with probability 1/2, chosen by the seed
  bool flip_on_device = false;  ///< only mark the samples to mirror, in Batch::mirrored
};

/// The axes along which samples can be mirrored. Bit i of Batch::mirrored is that of kFlipAxes[i].
inline constexpr std::string_view kFlipAxes = "WHD";

/// Returns the decoded image of a sample, before finishing. Valid until the batch is made.
using DecodedImages = std::function<std::span<const std::byte>(std::int64_t sample)>;

/// The resources for making a batch. None of them affects its content.
struct BatchResources {
  DecodedImages images;  ///< empty = read the dataset. Called from all threads of the team
  const BatchMemory& memory;
  base::ThreadTeam& team;
};

/// Makes a batch. `order` is the order of this epoch. Rethrows errors of reading.
Batch make_batch(const SampleDataset& dataset, const BatchPlan& plan, const EpochOrder& order,
                 std::int64_t epoch, std::int64_t step, const BatchResources& resources);
Batch make_batch(const SampleDataset& dataset, const BatchPlan& plan, std::int64_t epoch,
                 std::int64_t step);

}  // namespace vae_dist::data
