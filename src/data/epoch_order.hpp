// The order of the samples in an epoch. Step s of global batch G takes positions [s*G, (s+1)*G).
// The order is a pure function of (seed, epoch) and of the distribution of samples over chunks; any
// position is found in constant time. There are three kinds:
//
// - All samples are shuffled together.
// - Windows: the chunks are permuted, and samples are shuffled within windows of chunks, so that a
//   dataset too large for memory can be read chunk by chunk. Every batch draws from one window.
// - Sections: the permuted chunks, as a row of N samples, are cut at equal places into as many
//   sections as the run has replicas. Each replica takes its part of every batch from its own
//   section, shuffled in windows. So whoever trains a replica reads only its section.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/window_order.hpp"

namespace vae_dist::data {

/// Consecutive replicas, such as those of a rank.
struct ReplicaRange {
  std::int64_t first = 0, last = 1;  ///< last is excluded
};

/// What determines the order of a run's samples, beside the epoch and the dataset.
struct OrderPlan {
  std::uint64_t seed = 0;
  std::int64_t global_batch = 1;   ///< G
  std::int64_t window_chunks = 0;  ///< about the number of chunks in a window, of a section if
                                   ///< there are sections; 0: all samples (of the section) together
  std::int64_t sections = 0;       ///< R, which divides G; 0: no sections
  bool fixed_sections = false;     ///< sections are dealt once and not anew every epoch

  /// Returns the number of whole global batches; the last partial one is dropped.
  std::int64_t steps_per_epoch(std::int64_t samples) const { return samples / global_batch; }
  /// Returns the number of samples that a step takes from each section.
  std::int64_t samples_per_section() const { return global_batch / sections; }
};

/// Returns the place in the row of N samples at which the section of a replica begins; for R: N.
std::int64_t section_begin(std::int64_t samples, std::int64_t sections, std::int64_t replica);

class EpochOrder {
 public:
  EpochOrder(const OrderPlan& plan, std::uint64_t epoch,
             std::shared_ptr<const SampleChunks> chunks);

  std::int64_t samples() const { return samples_; }

  /// Returns the sample at `position` of the epoch: 0 <= position < samples(), with sections
  /// < steps_per_epoch() * G.
  std::int64_t at(std::int64_t position) const;

  /// Returns the order within windows of all chunks. Only without sections, and only if
  /// window_chunks is above 0.
  const WindowOrder& windows() const { return parts_.front(); }

  /// Returns the order of a replica's section. Its step s takes positions [s*G/R, (s+1)*G/R).
  const WindowOrder& section(std::int64_t replica) const {
    return parts_[static_cast<std::size_t>(replica)];
  }

 private:
  OrderPlan plan_;
  std::int64_t samples_;
  std::optional<SampleOrder> all_;
  std::vector<WindowOrder> parts_;  // one for all windows, or one for each section
};

}  // namespace vae_dist::data
