#include "comm/logged_communicator.hpp"

namespace vae_dist::comm {
namespace {

class LoggedSum final : public PendingCollective {
 public:
  LoggedSum(std::unique_ptr<PendingCollective> sum, CollectiveLog::Running running)
      : running_(std::move(running)), sum_(std::move(sum)) {}

  void wait() override {
    sum_->wait();
    running_.reset();
  }

 private:
  std::optional<CollectiveLog::Running> running_;
  std::unique_ptr<PendingCollective> sum_;
};

class LoggedCommunicator final : public CpuCommunicator {
 public:
  LoggedCommunicator(std::unique_ptr<CpuCommunicator> original, const std::string& label,
                     CollectiveLog& log)
      : original_(std::move(original)), label_(label), log_(log) {}

  int rank() const override { return original_->rank(); }
  int size() const override { return original_->size(); }
  const char* name() const override { return original_->name(); }

  void broadcast(Buffer buffer, int root) override {
    const auto running = begin("broadcast", buffer);
    original_->broadcast(buffer, root);
  }

  void all_reduce_sum(Buffer buffer) override {
    const auto running = begin("all-reduce", buffer);
    original_->all_reduce_sum(buffer);
  }

  void all_gather(Buffer in, Buffer out) override {
    const auto running = begin("all-gather", out);
    original_->all_gather(in, out);
  }

  void exchange(int peer, Buffer send, Buffer receive) override {
    original_->exchange(peer, send, receive);
  }

  void barrier() override {
    const auto running = begin("barrier", {});
    original_->barrier();
  }

  std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer buffer) override {
    auto running = begin("all-reduce", buffer);
    return std::make_unique<LoggedSum>(original_->start_all_reduce_sum(buffer), std::move(running));
  }

  bool on_one_node() const override { return original_->on_one_node(); }
  bool aborted() const override { return original_->aborted(); }
  std::unique_ptr<CpuCommunicator> duplicate() override { return original_->duplicate(); }
  void abort() noexcept override { original_->abort(); }

 private:
  CollectiveLog::Running begin(const char* operation, Buffer buffer) {
    return log_.begin(label_ + ": " + operation, buffer.bytes());
  }

  std::unique_ptr<CpuCommunicator> original_;
  std::string label_;
  CollectiveLog& log_;
};

}  // namespace

std::unique_ptr<CpuCommunicator> make_logged_communicator(std::unique_ptr<CpuCommunicator> original,
                                                          const std::string& label,
                                                          CollectiveLog& log) {
  return std::make_unique<LoggedCommunicator>(std::move(original), label, log);
}

}  // namespace vae_dist::comm
