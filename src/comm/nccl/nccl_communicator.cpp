#include "comm/nccl_communicator.hpp"

#include <nccl.h>

#include <algorithm>
#include <exception>
#include <future>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"

namespace vae_dist::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto kAbortTime =
    3s;  // ncclCommAbort never returns while a CUDA graph with NCCL's nodes is alive
constexpr char kGivenUp[] = "the NCCL communicator was given up: this rank or another failed";

// What is under way is no error: it is polled for.
bool is_fine(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }

void check(ncclResult_t result, const char* call) {
  if (!is_fine(result))
    throw base::CommunicationFailure(
        base::text(call, " failed: ", ncclGetErrorString(result),
                   "; last message of NCCL: ", ncclGetLastError(nullptr)));
}

ncclDataType_t native(DataType type) {
  switch (type) {
    case DataType::uint8:
      return ncclUint8;
    case DataType::int64:
      return ncclInt64;
    case DataType::bfloat16:
      return ncclBfloat16;
    case DataType::float32:
      return ncclFloat32;
    case DataType::float64:
      return ncclFloat64;
  }
  return ncclUint8;
}

// The handle of NCCL, which the thread that aborts it may need for longer than its communicator
// lives.
class Handle {
 public:
  explicit Handle(NcclCalls calls) : calls_(calls) {}

  // Runs `call(comm)`, which returns an ncclResult_t. A polled call returns at once, so abort() may
  // wait for it: the handle is never freed under it. A blocking one may hang until it is aborted.
  template <typename Call>
  void run(const char* name, Call call) {
    std::unique_lock lock(mutex_);
    if (given_up_) throw base::CommunicationFailure(kGivenUp);
    ncclComm_t comm = comm_;
    if (calls_ == NcclCalls::blocking) lock.unlock();
    check(call(comm), name);
  }

  // NCCL may write comm_ once more while the start is under way: it has to stay where it is.
  void start(int size, ncclUniqueId id, int rank) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = calls_ == NcclCalls::blocking;
    run("ncclCommInitRankConfig",
        [&](ncclComm_t) { return ncclCommInitRankConfig(&comm_, size, id, rank, &config); });
  }

  // Whether the last polled call is done. Throws what went wrong in it.
  bool is_done(const char* call) {
    ncclResult_t state = ncclSuccess;
    run("ncclCommGetAsyncError",
        [&](ncclComm_t comm) { return ncclCommGetAsyncError(comm, &state); });
    check(state, call);
    return state == ncclSuccess;
  }

  // For the owner, after ncclCommFinalize.
  void destroy() {
    const std::lock_guard lock(mutex_);
    if (given_up_) return;
    given_up_ = true;
    check(ncclCommDestroy(comm_), "ncclCommDestroy");
  }

  // Returns when NCCL has.
  void abort() noexcept {
    ncclComm_t comm = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (given_up_) return;
      given_up_ = true;
      comm = comm_;
    }
    if (comm) ncclCommAbort(comm);
  }

  bool is_alive() {
    const std::lock_guard lock(mutex_);
    return comm_ && !given_up_;
  }

 private:
  const NcclCalls calls_;
  std::mutex mutex_;
  ncclComm_t comm_ = nullptr;
  bool given_up_ = false;
};

// Each in a thread of its own, which is left to itself when NCCL does not return: kernels of one
// may lie behind those of another in a stream.
void abort_for_a_while(const std::set<std::shared_ptr<Handle>>& handles) noexcept {
  try {
    std::vector<std::future<void>> ends;
    for (const auto& handle : handles) {
      const auto ended = std::make_shared<std::promise<void>>();
      ends.push_back(ended->get_future());
      std::thread([handle, ended] {
        handle->abort();
        ended->set_value();
      }).detach();
    }
    const auto deadline = std::chrono::steady_clock::now() + kAbortTime;
    for (const auto& end : ends) end.wait_until(deadline);
  } catch (const std::exception&) {
    // No memory or no thread: the process is about to end, and its communicators with it.
  }
}

// The handles of this process' communicators, for whoever ends it.
class LiveHandles {
 public:
  // Never destroyed: a thread may end the process while its static objects are.
  static LiveHandles& instance() {
    static auto* const handles = new LiveHandles;
    return *handles;
  }

  void add(const std::shared_ptr<Handle>& handle) {
    const std::lock_guard lock(mutex_);
    handles_.insert(handle);
  }

  void remove(const std::shared_ptr<Handle>& handle) {
    const std::lock_guard lock(mutex_);
    handles_.erase(handle);
  }

  std::set<std::shared_ptr<Handle>> all() {
    const std::lock_guard lock(mutex_);
    return handles_;
  }

 private:
  std::mutex mutex_;
  std::set<std::shared_ptr<Handle>> handles_;
};

class NcclStreamCommunicator final : public NcclCommunicator {
 public:
  NcclStreamCommunicator(HostCommunicator& host, void* stream, const NcclDeadlines& deadlines,
                         NcclCalls calls)
      : host_(host),
        stream_(static_cast<cudaStream_t>(stream)),
        deadlines_(deadlines),
        calls_(calls),
        handle_(std::make_shared<Handle>(calls)) {
    ncclUniqueId id{};
    if (host.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    host.broadcast({&id, sizeof id, DataType::uint8}, 0);
    LiveHandles::instance().add(handle_);
    try {
      handle_->start(host.size(), id, host.rank());
      wait_until_done("ncclCommInitRankConfig", deadlines_.meeting);
    } catch (const std::exception&) {
      abort();
      LiveHandles::instance().remove(handle_);
      throw;
    }
  }

  ~NcclStreamCommunicator() override {
    end();
    LiveHandles::instance().remove(handle_);
  }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  const char* name() const override { return "nccl"; }

  void broadcast(Buffer b, int root) override {
    issue("ncclBroadcast", b, root, [&](ncclComm_t comm) {
      return ncclBroadcast(b.data, b.data, length(b), native(b.type), root, comm, stream_);
    });
  }

  void all_reduce_sum(Buffer b) override {
    issue("ncclAllReduce", b, 0, [&](ncclComm_t comm) {
      return ncclAllReduce(b.data, b.data, length(b), native(b.type), ncclSum, comm, stream_);
    });
  }

  void all_gather(Buffer in, Buffer out) override {
    issue("ncclAllGather", in, 0, [&](ncclComm_t comm) {
      return ncclAllGather(in.data, out.data, length(in), native(in.type), comm, stream_);
    });
  }

  // Both in one group: alone, each would wait on the device for the other side's counterpart.
  void exchange(int peer, Buffer send, Buffer receive) override {
    const Buffer& longer = send.bytes() > receive.bytes() ? send : receive;
    issue("ncclSend and ncclRecv", longer, peer, [&](ncclComm_t comm) {
      ncclResult_t result = ncclGroupStart();
      if (result != ncclSuccess) return result;
      if (send.count > 0)
        result = ncclSend(send.data, length(send), native(send.type), peer, comm, stream_);
      if (receive.count > 0 && is_fine(result))
        result = ncclRecv(receive.data, length(receive), native(receive.type), peer, comm, stream_);
      // The group is this thread's until it ends, also after an error.
      const ncclResult_t end = ncclGroupEnd();
      return is_fine(result) ? end : result;
    });
  }

  void barrier() override { host_.barrier(); }

  void abort() noexcept override { abort_for_a_while({handle_}); }

  bool register_memory(Buffer memory) override {
    handle_->run("ncclCommRegister", [&](ncclComm_t comm) {
      return ncclCommRegister(comm, memory.data, memory.bytes(), &registration_);
    });
    return registration_ != nullptr;
  }

  void deregister_memory() override {
    if (registration_)
      handle_->run("ncclCommDeregister",
                   [&](ncclComm_t comm) { return ncclCommDeregister(comm, registration_); });
    registration_ = nullptr;
  }

 private:
  void end() noexcept {
    if (!handle_->is_alive()) return;
    // Ending in good order waits for the other ranks, which do not come after an error.
    if (std::uncaught_exceptions() > 0 || in_call_) return abort();
    try {
      handle_->run("ncclCommFinalize", [](ncclComm_t comm) { return ncclCommFinalize(comm); });
      wait_until_done("ncclCommFinalize", deadlines_.meeting);
      handle_->destroy();
    } catch (const std::exception& error) {
      log::warn(base::text("NCCL did not end in good order: ", error.what()));
      abort();
    }
  }

  static std::size_t length(const Buffer& b) { return static_cast<std::size_t>(b.count); }

  // Queues one call and returns when its kernel is in the stream.
  template <typename Call>
  void issue(const char* name, const Buffer& buffer, int peer, Call call) {
    if (buffer.count == 0) return;
    // NCCL chooses algorithm and connections by call and size: those that it has not made yet wait
    // for the other ranks.
    const bool first = seen_.emplace(name, buffer.bytes(), peer).second;
    in_call_ = true;
    handle_->run(name, call);
    wait_until_done(name, first ? deadlines_.meeting : deadlines_.issue, buffer.bytes());
    in_call_ = false;
  }

  // A blocking call is done when it returns. A polled one runs in a thread of NCCL's, usually for
  // some microseconds.
  void wait_until_done(const char* call, base::Seconds limit, std::size_t bytes = 0) {
    if (calls_ == NcclCalls::blocking) return;
    constexpr base::Seconds kMoment{200e-6};
    constexpr std::chrono::microseconds kShortest{20}, kLongest{200};
    std::chrono::microseconds sleep = kShortest;
    const base::Stopwatch watch;
    while (!handle_->is_done(call)) {
      const base::Seconds waited = watch.elapsed();
      if (waited > limit)
        throw base::Error(
            base::ExitCode::timed_out,
            base::text(
                call, bytes > 0 ? base::text(" of ", bytes, " bytes") : "",
                " did not get through within ", limit.count(),
                " s: another rank has not come to it, or the GPU does not finish what it was given "
                "before. (distributed.timeout_s and slow_timeout_s set the limits)"));
      if (waited < kMoment) {
        std::this_thread::yield();
        continue;
      }
      std::this_thread::sleep_for(sleep);
      sleep = std::min(2 * sleep, kLongest);
    }
  }

  HostCommunicator& host_;
  const cudaStream_t stream_;
  const NcclDeadlines deadlines_;
  const NcclCalls calls_;
  const std::shared_ptr<Handle> handle_;
  std::set<std::tuple<std::string_view, std::size_t, int>> seen_;  // call, bytes, peer or root
  bool in_call_ = false;  // and for good after one that failed
  void* registration_ = nullptr;
};

}  // namespace

int nccl_version_code() {
  int code = 0;
  check(ncclGetVersion(&code), "ncclGetVersion");
  return code;
}

std::string nccl_version() {
  const int code = nccl_version_code();
  return base::text(code / 10000, ".", code / 100 % 100, ".", code % 100);
}

std::unique_ptr<NcclCommunicator> make_nccl_communicator(HostCommunicator& host, void* stream,
                                                         const NcclDeadlines& deadlines,
                                                         NcclCalls calls) {
  return std::make_unique<NcclStreamCommunicator>(host, stream, deadlines, calls);
}

void abort_nccl_communicators() noexcept { abort_for_a_while(LiveHandles::instance().all()); }

std::shared_ptr<void> make_nccl_memory(std::size_t bytes) {
  void* memory = nullptr;
  if (ncclMemAlloc(&memory, bytes) != ncclSuccess || !memory) return nullptr;
  return {memory, [](void* allocated) { ncclMemFree(allocated); }};
}

}  // namespace vae_dist::comm
