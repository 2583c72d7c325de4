// What is done when mpirun is about to kill this process and the run has not come to its end: a
// step may be slower than mpirun waits.
#pragma once

#include <functional>
#include <thread>

#include "base/clock.hpp"

namespace vae_dist::run {

class LastMoments {
 public:
  /// Waits in a thread for mpirun to begin its end (stop_signal.hpp), and, `after` that, if this
  /// object still exists, calls `last_words` there: once, while whatever is under way goes on. Does
  /// nothing where there is no mpirun.
  LastMoments(base::Seconds after, std::function<void()> last_words);
  ~LastMoments();
  LastMoments(const LastMoments&) = delete;
  LastMoments& operator=(const LastMoments&) = delete;

 private:
  int over_ = -1;  // can be read when this object ends
  std::thread thread_;
};

}  // namespace vae_dist::run
