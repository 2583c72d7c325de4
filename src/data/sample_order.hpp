// The order of samples in an epoch: a permutation of [0, N) that is a pure function of (seed,
// epoch). It needs no array and finds any position in constant time, so resuming in the middle of
// an epoch costs nothing at any size.
//
// Method: a Feistel network (Luby, Rackoff 1988) of Philox rounds over the next even number of
// bits, walked along its cycle until the value falls into [0, N) (Black, Rogaway 2002, "Ciphers
// with arbitrary finite domains").
#pragma once

#include <cstdint>

#include "base/keyed_random.hpp"

namespace vae_dist::data {

class SampleOrder {
 public:
  /// samples >= 1.
  SampleOrder(std::uint64_t seed, std::uint64_t epoch, std::int64_t samples);

  /// Permutes [0, samples) by the given key.
  SampleOrder(base::PhiloxKey key, std::int64_t samples);

  std::int64_t samples() const { return samples_; }

  /// Returns the sample at `position` of the epoch, 0 <= position < samples().
  std::int64_t at(std::int64_t position) const;

  /// Returns the position of a sample: at(position_of(s)) == s.
  std::int64_t position_of(std::int64_t sample) const;

 private:
  std::uint64_t encipher(std::uint64_t value) const;
  std::uint64_t decipher(std::uint64_t value) const;
  std::uint64_t mixed(std::uint64_t half, std::uint32_t round) const;

  base::PhiloxKey key_;
  std::int64_t samples_;
  unsigned half_bits_;
};

}  // namespace vae_dist::data
