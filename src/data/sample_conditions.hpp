// What a conditional model is told about each sample beside its values, y, as numbers.
#pragma once

#include <cstdint>
#include <span>

namespace vae_dist::data {

class SampleConditions {
 public:
  virtual ~SampleConditions() = default;
  virtual std::int64_t values() const = 0;  ///< Y, the numbers of one sample
  /// Writes the condition of sample `sample` of its dataset: [Y]. Thread-safe.
  virtual void write(std::int64_t sample, std::span<float> out) const = 0;
};

}  // namespace vae_dist::data
