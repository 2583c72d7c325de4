#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/planted_fault.hpp"
#include "parallel/bucket_exchange.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::parallel {
namespace {

class CpuExchange final : public BucketExchange {
 public:
  CpuExchange(comm::CpuCommunicator& comm, comm::SumOrder order, const ExchangeLog& log,
              std::shared_ptr<comm::NodeSum> node_sum)
      : comm_(comm), order_(order), log_(log), node_sum_(std::move(node_sum)), thread_([this] {
          exchange_in_order();
        }) {}

  ~CpuExchange() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void start(const at::Tensor& bucket, comm::Wire wire, const std::string& what) override {
    const comm::Buffer buffer = buffer_of(bucket);
    comm::check_wire(buffer.type, order_, wire);
    {
      std::unique_lock lock(mutex_, std::defer_lock);
      if (!base::planted(base::PlantedFault::reducer)) lock.lock();
      waiting_.push_back({buffer, wire, what});
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
  struct Job {
    comm::Buffer bucket;
    comm::Wire wire;
    std::string what;
  };

  void exchange_in_order() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return !waiting_.empty() || stopping_; });
      if (stopping_) return;
      const Job job = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      std::exception_ptr error;
      try {
        const auto running = log_.log.begin(log_.label + ": " + job.what, job.bucket.bytes());
        if (node_sum_ && job.wire == comm::Wire::exact) {
          node_sum_->sum(job.bucket);
        } else {
          comm::all_reduce_on_cpu(comm_, job.bucket, order_, job.wire, scratch_);
        }
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      --under_way_;
      if (error) error_ = error;
      changed_.notify_all();
    }
  }

  comm::CpuCommunicator& comm_;
  const comm::SumOrder order_;
  const ExchangeLog log_;
  const std::shared_ptr<comm::NodeSum> node_sum_;
  std::vector<std::byte> scratch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  int under_way_ = 0;  // in the queue or being summed
  bool stopping_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // declared last, because it uses all members above
};

}  // namespace

std::unique_ptr<BucketExchange> make_cpu_exchange(comm::CpuCommunicator& comm, comm::SumOrder order,
                                                  const ExchangeLog& log,
                                                  std::shared_ptr<comm::NodeSum> node_sum) {
  return std::make_unique<CpuExchange>(comm, order, log, std::move(node_sum));
}

}  // namespace vae_dist::parallel
