#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "comm/tree_all_reduce.hpp"
#include "parallel/bucket_exchange.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist {
namespace {

class HostExchange final : public BucketExchange {
 public:
  HostExchange(Communicator& comm, SumOrder order, const ExchangeLog& log)
      : comm_(comm), log_(log), tree_(order == SumOrder::tree || (comm.size() & (comm.size() - 1)) == 0), thread_([this] { exchange_in_order(); }) {}

  ~HostExchange() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void start(const at::Tensor& bucket, const std::string& what) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({buffer_of(bucket), what});
      ++under_way_;
    }
    changed_.notify_all();
  }

  void finish() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return under_way_ == 0 || error_; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct Sum {
    Buffer buffer;
    std::string what;
  };

  void exchange_in_order() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !waiting_.empty() || stopping_; });
      if (stopping_) return;
      const Sum next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      std::exception_ptr error;
      try {
        const auto running = log_.log.begin(log_.label + ": " + next.what, next.buffer.bytes());
        sum(next.buffer);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      --under_way_;
      if (error) error_ = error;
      changed_.notify_all();
    }
  }

  // The tree is also the fast way for powers of two: it moves no more bytes than any other, and sleeps where MPI's own would spin on the
  // core that backward needs.
  void sum(const Buffer& bucket) {
    if (!tree_) return comm_.all_reduce_sum(bucket);
    const std::size_t half = (bucket.bytes() + 1) / 2 + size_of(bucket.type);
    if (scratch_.size() < half) scratch_.resize(half);
    tree_all_reduce_sum(comm_, bucket, {scratch_.data(), static_cast<std::int64_t>(scratch_.size() / size_of(bucket.type)), bucket.type});
  }

  Communicator& comm_;
  const ExchangeLog log_;
  const bool tree_;
  std::vector<std::byte> scratch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Sum> waiting_;
  int under_way_ = 0;  // in the queue or being summed
  bool stopping_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<BucketExchange> make_host_exchange(Communicator& comm, SumOrder order, const ExchangeLog& log) {
  return std::make_unique<HostExchange>(comm, order, log);
}

}  // namespace vae_dist
