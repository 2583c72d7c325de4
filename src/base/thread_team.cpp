#include "base/thread_team.hpp"

#include <stdexcept>
#include <utility>

namespace vae_dist::base {

ThreadTeam::ThreadTeam(int size) {
  if (size < 1) throw std::invalid_argument("a thread team needs at least one thread");
  for (int member = 1; member < size; ++member)
    others_.emplace_back([this, member](const std::stop_token& stop) { take_turns(stop, member); });
}

void ThreadTeam::divide(std::int64_t count,
                        const std::function<void(std::int64_t, std::int64_t)>& work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = &work;
    count_ = count;
    busy_ = size();
    ++turn_;
  }
  changed_.notify_all();
  do_part(0);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return busy_ == 0; });
  if (const std::exception_ptr error = std::exchange(error_, nullptr))
    std::rethrow_exception(error);
}

void ThreadTeam::take_turns(const std::stop_token& stop, int member) {
  std::int64_t done = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return turn_ > done; })) return;
      done = turn_;
    }
    do_part(member);
  }
}

void ThreadTeam::do_part(int member) {
  std::exception_ptr error;
  try {
    const std::int64_t first = count_ * member / size(), last = count_ * (member + 1) / size();
    if (first < last) (*work_)(first, last);
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  if (error && !error_) error_ = error;
  if (--busy_ == 0) changed_.notify_all();
}

}  // namespace vae_dist::base
