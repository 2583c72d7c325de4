#include "run/standby_thread.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/attempt.hpp"

namespace vae_dist::run {

struct StandbyThread::Shared {
  enum class Order { wait, go, end };

  void give(Order next) noexcept {
    const std::lock_guard lock(mutex);
    if (order == Order::wait) order = next;
    given.notify_all();
  }

  std::mutex mutex;
  std::condition_variable given;
  Order order = Order::wait;
};

StandbyThread::StandbyThread(std::function<void()> work) : shared_(std::make_shared<Shared>()) {
  std::thread([shared = shared_, work = std::move(work)] {
    {
      std::unique_lock lock(shared->mutex);
      shared->given.wait(lock, [&] { return shared->order != Shared::Order::wait; });
      if (shared->order == Shared::Order::end) return;
    }
    base::attempt(work);
  }).detach();
}

StandbyThread::~StandbyThread() { shared_->give(Shared::Order::end); }

void StandbyThread::go() noexcept { shared_->give(Shared::Order::go); }

}  // namespace vae_dist::run
