// A thread that exists before it is needed. A process that has run out of memory or threads cannot
// start one any more, and that is when it must still save its state and end.
#pragma once

#include <functional>
#include <memory>

namespace vae_dist::run {

class StandbyThread {
 public:
  /// Starts a thread that waits for go() and then calls `work` once. Throws std::system_error if no
  /// thread can be started. What `work` throws is lost.
  explicit StandbyThread(std::function<void()> work);

  /// Ends the thread if it still waits. Otherwise it goes on alone, so what `work` refers to must
  /// outlive it.
  ~StandbyThread();
  StandbyThread(const StandbyThread&) = delete;
  StandbyThread& operator=(const StandbyThread&) = delete;

  /// Lets the thread begin; further calls change nothing. Thread-safe, allocates nothing.
  void go() noexcept;

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace vae_dist::run
