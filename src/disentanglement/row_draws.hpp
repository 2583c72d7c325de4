// Random draws of the disentanglement scores. They are keyed by their purpose, so they do not
// depend on the rank, the order or a global generator.
#pragma once

#include <cstdint>

#include "base/keyed_random.hpp"

namespace vae_dist::disentanglement {

/// The random draws of one score; `stream` tells the scores apart. A vote is one draw of the
/// protocol: one factor and the rows of its batch.
class RowDraws {
 public:
  RowDraws(std::uint64_t seed, std::uint64_t stream)
      : key_(base::random_key(seed, base::Purpose::evaluation, stream)) {}

  /// Returns the `index`-th number of a vote's draw, uniform in [0, count), count below 2^32. It is
  /// a word of the generator times count / 2^32, so no number is favoured by more than count /
  /// 2^32.
  std::int64_t below(std::int64_t count, std::int64_t vote, std::uint32_t draw,
                     std::int64_t index) const {
    const base::PhiloxCounter words = base::random_block(
        key_, static_cast<std::uint64_t>(vote), draw, static_cast<std::uint32_t>(index / 4));
    return static_cast<std::int64_t>(
        static_cast<std::uint64_t>(words[static_cast<std::size_t>(index % 4)]) *
            static_cast<std::uint64_t>(count) >>
        32);
  }

 private:
  base::PhiloxKey key_;
};

/// Votes [first, first + count): the training votes of a score, or those on which it is measured.
struct Votes {
  std::int64_t first = 0, count = 0;
};

/// As in disentanglement_lib (Locatello et al. 2019): 10,000 votes for training, 5,000 others for
/// the score, batches of 64.
inline constexpr Votes kTrainingVotes = {.first = 0, .count = 10000};
inline constexpr Votes kScoredVotes = {.first = 10000, .count = 5000};
inline constexpr std::int64_t kVoteBatch = 64;

}  // namespace vae_dist::disentanglement
