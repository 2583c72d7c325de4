#include "comm/thread_communicator.hpp"

#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/error.hpp"
#include "comm/tree_all_reduce.hpp"

namespace vae_dist::comm {
namespace {

// The meeting point of the ranks. A collective meets twice: after the first meeting all buffers are
// known, after the second all have been read.
class Meeting {
 public:
  explicit Meeting(int size) : buffers_(static_cast<std::size_t>(size)), size_(size) {}

  void offer(int rank, Buffer buffer) { buffers_[static_cast<std::size_t>(rank)] = buffer; }
  const Buffer& of(int rank) const { return buffers_[static_cast<std::size_t>(rank)]; }

  void arrive() {
    std::unique_lock lock(mutex_);
    const long round = round_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
    } else {
      changed_.wait(lock, [&] { return round_ != round || broken_; });
    }
    if (broken_) throw base::Failure("a collective was aborted because another rank failed");
  }

  // Leaves `send` for the peer, takes the peer's buffer, and returns when the peer has taken
  // `send`. Involves only the two ranks.
  void mail(int rank, int peer, Buffer send, Buffer receive) {
    std::unique_lock lock(mutex_);
    auto& outgoing = mail_[{rank, peer}];
    outgoing = send;
    changed_.notify_all();
    changed_.wait(lock, [&] { return mail_[{peer, rank}].has_value() || broken_; });
    if (!broken_) {
      const Buffer incoming = *mail_[{peer, rank}];
      if (incoming.bytes() > 0) std::memcpy(receive.data, incoming.data, incoming.bytes());
      mail_[{peer, rank}].reset();
      changed_.notify_all();
      changed_.wait(lock, [&] { return !outgoing.has_value() || broken_; });
    }
    if (broken_) throw base::Failure("an exchange was aborted because another rank failed");
  }

  // Makes a meeting of the same ranks, which is aborted together with this one.
  std::shared_ptr<Meeting> make_another() {
    const std::lock_guard lock(mutex_);
    return others_.emplace_back(std::make_shared<Meeting>(size_));
  }

  bool is_broken() {
    const std::lock_guard lock(mutex_);
    return broken_;
  }

  void give_up() noexcept {
    const std::lock_guard lock(mutex_);
    broken_ = true;
    changed_.notify_all();
    for (const auto& other : others_) other->give_up();
  }

 private:
  std::vector<Buffer> buffers_;
  std::map<std::pair<int, int>, std::optional<Buffer>> mail_;  // keyed by sender and receiver
  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  long round_ = 0;
  bool broken_ = false;
  std::vector<std::shared_ptr<Meeting>> others_;
};

class ThreadCommunicator final : public CpuCommunicator {
 public:
  ThreadCommunicator(std::shared_ptr<Meeting> meeting, int rank, int size)
      : meeting_(std::move(meeting)), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* name() const override { return "thread"; }

  void broadcast(Buffer buffer, int root) override {
    meet(buffer, [&] {
      if (rank_ != root && buffer.bytes() > 0)
        std::memcpy(buffer.data, meeting_->of(root).data, buffer.bytes());
    });
  }

  void all_reduce_sum(Buffer buffer) override {
    std::vector<std::byte> sum(buffer.bytes());
    meet(buffer, [&] {
      for (int r = 0; r < size_; ++r) {
        const Buffer& part = meeting_->of(r);
        if (part.count != buffer.count || part.type != buffer.type)
          throw base::Failure(base::text("an all-reduce has ", buffer.count, " elements here, but ",
                                         part.count, " on rank ", r));
        add_on_host({sum.data(), buffer.count, buffer.type}, part);
      }
    });
    if (!sum.empty()) std::memcpy(buffer.data, sum.data(), sum.size());
  }

  void all_gather(Buffer in, Buffer out) override {
    meet(in, [&] {
      for (int r = 0; r < size_; ++r)
        if (in.bytes() > 0)
          std::memcpy(static_cast<std::byte*>(out.data) + static_cast<std::size_t>(r) * in.bytes(),
                      meeting_->of(r).data, in.bytes());
    });
  }

  void exchange(int peer, Buffer send, Buffer receive) override {
    meeting_->mail(rank_, peer, send, receive);
  }

  void barrier() override { meeting_->arrive(); }

  // Meets the other ranks in wait(). All ranks wait in the same order, so this cannot deadlock.
  std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer buffer) override {
    struct Deferred final : PendingCollective {
      Deferred(ThreadCommunicator& owner, Buffer what) : comm(owner), buffer(what) {}
      void wait() override { comm.all_reduce_sum(buffer); }
      ThreadCommunicator& comm;
      Buffer buffer;
    };
    return std::make_unique<Deferred>(*this, buffer);
  }

  bool on_one_node() const override { return true; }
  bool aborted() const override { return meeting_->is_broken(); }

  std::unique_ptr<CpuCommunicator> duplicate() override {
    // All ranks get the new meeting of rank 0: they copy its pointer while rank 0 still holds it.
    std::shared_ptr<Meeting> place = rank_ == 0 ? meeting_->make_another() : nullptr;
    Buffer offered{&place, 1, DataType::uint8};
    meet(offered, [&] {
      if (rank_ != 0) place = *static_cast<std::shared_ptr<Meeting>*>(meeting_->of(0).data);
    });
    return std::make_unique<ThreadCommunicator>(std::move(place), rank_, size_);
  }

  void abort() noexcept override { meeting_->give_up(); }

 private:
  template <typename Body>
  void meet(Buffer offered, Body body) {
    meeting_->offer(rank_, offered);
    meeting_->arrive();
    body();
    meeting_->arrive();
  }

  std::shared_ptr<Meeting> meeting_;
  int rank_, size_;
};

}  // namespace

void run_thread_ranks(int size, const std::function<void(CpuCommunicator&)>& body) {
  const auto meeting = std::make_shared<Meeting>(size);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadCommunicator comm(meeting, rank, size);
      try {
        body(comm);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        meeting->give_up();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace vae_dist::comm
