// Tracks the progress of a device through collectives that no host call starts: those of a captured
// step (src/step/captured_step.hpp).
//
// A CUDA graph is launched as a whole, so the host does not know which bucket is being summed. The
// graph therefore copies a word of 4 bytes to host memory before and after each collective: the
// number of marks passed since the first launch. The code that reports a hang reads the word there,
// without asking CUDA, which may itself hang.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace vae_dist::base {

/// Call launching() from one thread only; now() is thread-safe.
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

  /// `round`: the collectives of one launch, in order, not empty. `word`: the number of marks
  /// passed, two per collective, starting at 0, modulo 2^32.
  ProgressWords(std::vector<Collective> round, std::shared_ptr<const std::uint32_t> word);

  /// Announces `times` launches. Call it before they happen: now() would read a mark of a launch
  /// that was not announced as a mark from 2^32 marks ago.
  void launching(std::int64_t times = 1);

  State now() const;

 private:
  const std::vector<Collective> round_;
  const std::shared_ptr<const std::uint32_t> word_;
  std::atomic<std::int64_t> launches_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> launched_at_{};
};

}  // namespace vae_dist::base
