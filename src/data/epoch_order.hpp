// The order of the samples in an epoch. There are two kinds: all samples are shuffled together, or
// they are shuffled within windows of chunks, so that a dataset too large for memory can be read
// chunk by chunk. The order is a pure function of (seed, epoch) and of the distribution of samples
// over chunks. Any position is found in constant time.
//
// Windows: the chunks are permuted and cut into windows of nearly equal numbers of chunks; the
// samples of a window are shuffled together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "data/sample_chunks.hpp"
#include "data/sample_order.hpp"

namespace vae_dist::data {

class EpochOrder {
 public:
  /// `window_chunks`: approximate number of chunks in a window; 0 shuffles all samples together.
  EpochOrder(std::uint64_t seed, std::uint64_t epoch, std::shared_ptr<const SampleChunks> chunks,
             std::int64_t window_chunks);

  std::int64_t samples() const { return samples_; }

  /// Returns the sample at `position` of the epoch, 0 <= position < samples().
  std::int64_t at(std::int64_t position) const;

  // The functions below are for windows only (window_chunks > 0). Turns number the chunks in the
  // order of the epoch, from 0.

  std::int64_t turns() const { return chunks_->count(); }
  std::int64_t chunk_at(std::int64_t turn) const { return windows_->chunk_order.at(turn); }
  std::int64_t turn_of(std::int64_t chunk) const {
    return windows_->chunk_order.position_of(chunk);
  }
  /// The turns of the window that the sample at this position belongs to.
  struct Turns {
    std::int64_t first = 0, last = 0;  ///< last is excluded
  };
  Turns window_of(std::int64_t position) const;

 private:
  struct Windows {
    SampleOrder chunk_order;
    SampleChunks in_turn;  // the chunks' sizes in the order of the epoch
    std::int64_t count;
    std::uint64_t seed;
  };
  std::int64_t first_turn(std::int64_t window) const;
  std::int64_t window_at(std::int64_t turn) const;

  std::shared_ptr<const SampleChunks> chunks_;
  std::int64_t samples_;
  std::optional<SampleOrder> all_;
  std::optional<Windows> windows_;
};

}  // namespace vae_dist::data
