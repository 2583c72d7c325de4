// Where a loader takes decoded images from, if not from the dataset itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "data/epoch_order.hpp"

namespace vae_dist::data {

class DecodedSource {
 public:
  virtual ~DecodedSource() = default;

  /// Waits until this rank's samples at positions [first, last) of the epoch, which are those of
  /// one step, are decoded. Positions and epochs must increase from call to call, because samples
  /// before `first` may be overwritten. Throws Failure if an image could not be decoded, and after
  /// stop().
  virtual void need(const EpochOrder& order, std::int64_t epoch, std::int64_t first,
                    std::int64_t last) = 0;

  /// Returns the decoded image of a sample that need() waited for. Thread-safe. Valid until the
  /// next need().
  virtual std::span<const std::byte> image(std::int64_t sample) const = 0;

  /// Ends a need() that waits in another thread.
  virtual void stop() = 0;
};

}  // namespace vae_dist::data
