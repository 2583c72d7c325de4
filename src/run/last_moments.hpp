// Runs a last action when mpirun is about to kill this process before the run has ended: a step may
// take longer than mpirun waits.
#pragma once

#include <functional>
#include <thread>

#include "base/clock.hpp"

namespace vae_dist::run {

class LastMoments {
 public:
  /// Starts a thread that waits until mpirun begins to end this process (stop_signal.hpp). If this
  /// object still exists `after` that, the thread calls `last_words` once, concurrently with the
  /// ongoing work. A no-op without mpirun.
  LastMoments(base::Seconds after, std::function<void()> last_words);
  ~LastMoments();
  LastMoments(const LastMoments&) = delete;
  LastMoments& operator=(const LastMoments&) = delete;

 private:
  int over_ = -1;  // becomes readable when this object is destroyed
  std::thread thread_;
};

}  // namespace vae_dist::run
