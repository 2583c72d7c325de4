// A team of threads that divide each piece of work among them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace vae_dist::base {

class ThreadTeam {
 public:
  /// Starts a team of `size` threads, at least 1. The caller of divide() is one of them, so a team
  /// of 1 starts no thread.
  explicit ThreadTeam(int size);
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(others_.size()) + 1; }

  /// Splits [0, count) into size() parts, calls `work(first, last)` for each part in its own thread
  /// (empty parts are left out), and returns when all have ended. Rethrows the first exception.
  /// Call it from one thread at a time.
  void divide(std::int64_t count,
              const std::function<void(std::int64_t first, std::int64_t last)>& work);

 private:
  void take_turns(const std::stop_token& stop, int member);
  void do_part(int member);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::int64_t turn_ = 0;  // number of calls of divide()
  int busy_ = 0;           // members that have not finished the current turn
  std::int64_t count_ = 0;
  const std::function<void(std::int64_t, std::int64_t)>* work_ = nullptr;
  std::exception_ptr error_;
  std::vector<std::jthread> others_;  // last: the threads use all members above
};

}  // namespace vae_dist::base
