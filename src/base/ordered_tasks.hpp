// Runs tasks in parallel and returns their results in the order in which they were started, so that
// a written file is the same for every number of threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <future>
#include <thread>
#include <utility>

namespace vae_dist::base {

/// Returns `threads`, or the number of cores if it is 0.
inline std::size_t thread_count(int threads) {
  return threads > 0 ? static_cast<std::size_t>(threads)
                     : std::max(1u, std::thread::hardware_concurrency());
}

/// A queue of running tasks. Call start() unless full(), and take each result with next(), which
/// rethrows the task's exception. The destructor waits for the tasks still running. Not
/// thread-safe.
template <typename Result>
class OrderedTasks {
 public:
  explicit OrderedTasks(std::size_t most) : most_(most) {}

  bool full() const { return tasks_.size() >= most_; }
  bool empty() const { return tasks_.empty(); }

  template <typename Task>
  void start(Task task) {
    tasks_.push_back(std::async(std::launch::async, std::move(task)));
  }

  Result next() {
    std::future<Result> first = std::move(tasks_.front());
    tasks_.pop_front();
    return first.get();
  }

 private:
  std::size_t most_;
  std::deque<std::future<Result>> tasks_;
};

}  // namespace vae_dist::base
