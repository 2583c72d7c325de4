// Threads that wait for work to divide among them.
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
  /// `size` threads, at least 1, of which one is the caller of divide(): a team of 1 starts none.
  explicit ThreadTeam(int size);
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(others_.size()) + 1; }

  /// Calls `work(first, last)` for size() parts that together are [0, count), each in a thread of
  /// its own (empty ones are left out), and comes back when all have ended. Throws what the first
  /// of them threw. From one thread at a time.
  void divide(std::int64_t count,
              const std::function<void(std::int64_t first, std::int64_t last)>& work);

 private:
  void take_turns(const std::stop_token& stop, int member);
  void do_part(int member);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::int64_t turn_ = 0;  // how many times work was divided
  int busy_ = 0;           // members that are not done with it
  std::int64_t count_ = 0;
  const std::function<void(std::int64_t, std::int64_t)>* work_ = nullptr;
  std::exception_ptr error_;
  std::vector<std::jthread> others_;  // last: they use all of the above
};

}  // namespace vae_dist::base
