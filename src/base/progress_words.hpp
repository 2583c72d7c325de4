// How far a device is in collectives that no host call starts: those of a captured step
// (src/step/captured_step.hpp).
//
// A CUDA graph is launched as a whole; then the host knows no more which bucket is being summed. So
// the graph copies a word of 4 bytes to host memory before and after each collective: the number of
// marks passed since the first launch. Whoever must name a hang reads it there, without asking
// CUDA, which may hang itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace vae_dist::base {

/// Thread safety: launching() from one thread, now() from any.
class ProgressWords {
 public:
  struct Collective {
    std::string what;  ///< "gradients: bucket 2"
    std::uint64_t bytes = 0;
    bool operator==(const Collective&) const = default;
  };

  struct State {
    std::int64_t started = 0, finished = 0;  ///< since the first launch
    Collective latest;                       ///< the last one started; empty before the first
    Seconds since_launch{0};                 ///< of the latest launch
    bool is_under_way() const { return started > finished; }
  };

  /// `round`: the collectives of one launch, in order; not empty. `word`: 0 at first, then counting
  /// marks, two a collective, modulo 2^32.
  ProgressWords(std::vector<Collective> round, std::shared_ptr<const std::uint32_t> word);

  /// To be called before each launch, or so many: a mark that was not announced would be read as
  /// one of 2^32 ago.
  void launching(std::int64_t times = 1);

  State now() const;

 private:
  const std::vector<Collective> round_;
  const std::shared_ptr<const std::uint32_t> word_;
  std::atomic<std::int64_t> launches_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> launched_at_{};
};

}  // namespace vae_dist::base
