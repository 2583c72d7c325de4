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

#include "base/attempt.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace vae_dist::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto kAbortTime =
    3s;  // ncclCommAbort does not return while a CUDA graph with NCCL's nodes is alive
constexpr char kGivenUp[] =
    "the NCCL communicator was aborted because this rank or another one failed";

// A call in progress is not an error: the caller polls for it.
bool is_fine(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }

std::string words_for(ncclResult_t result) {
  return base::text(ncclGetErrorString(result),
                    "; NCCL's last message: ", ncclGetLastError(nullptr));
}

void check(ncclResult_t result, const char* call) {
  if (!is_fine(result))
    throw base::CommunicationFailure(base::text(call, " failed: ", words_for(result)));
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

// The NCCL handle. The thread that aborts it may need it for longer than its communicator lives.
class Handle {
 public:
  explicit Handle(NcclCalls calls) : calls_(calls) {}

  // Runs `call(comm)`, which returns an ncclResult_t. A polled call returns at once, so abort() may
  // wait for it, and the handle is never freed during the call. A blocking call may hang until it
  // is aborted.
  template <typename Call>
  void run(const char* name, Call call) {
    std::unique_lock lock(mutex_);
    if (given_up_) throw base::CommunicationFailure(kGivenUp);
    ncclComm_t comm = comm_;
    if (calls_ == NcclCalls::blocking) lock.unlock();
    check(call(comm), name);
  }

  // NCCL may write comm_ again while the start is in progress, so comm_ must not move.
  void start(int size, ncclUniqueId id, int rank) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = calls_ == NcclCalls::blocking;
    run("ncclCommInitRankConfig",
        [&](ncclComm_t) { return ncclCommInitRankConfig(&comm_, size, id, rank, &config); });
  }

  // Returns whether the last polled call has finished. Throws if it failed.
  bool is_done(const char* call) {
    ncclResult_t state = ncclSuccess;
    run("ncclCommGetAsyncError",
        [&](ncclComm_t comm) { return ncclCommGetAsyncError(comm, &state); });
    check(state, call);
    return state == ncclSuccess;
  }

  // The start has ended, so NCCL writes comm_ no more and other threads may ask for its state.
  void set_started() {
    const std::lock_guard lock(mutex_);
    started_ = true;
  }

  // The end has begun.
  void set_ending() {
    const std::lock_guard lock(mutex_);
    started_ = false;
  }

  // Returns the error that NCCL has met since, if any. Thread-safe; leaves out a handle that is in
  // use instead of waiting for it. Because of the lock it is not freed meanwhile.
  std::optional<ncclResult_t> failure() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || !started_ || given_up_) return std::nullopt;
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (!is_fine(asked)) return asked;
    return is_fine(state) ? std::nullopt : std::optional(state);
  }

  // Frees the handle. The owner calls this after ncclCommFinalize.
  void destroy() {
    const std::lock_guard lock(mutex_);
    if (given_up_) return;
    given_up_ = true;
    check(ncclCommDestroy(comm_), "ncclCommDestroy");
  }

  // Aborts and returns when NCCL does.
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
  bool started_ = false, given_up_ = false;
};

// Aborts each handle in its own thread, which is abandoned if NCCL does not return: in a stream,
// kernels of one communicator may be queued behind those of another.
void abort_for_a_while(const std::set<std::shared_ptr<Handle>>& handles) noexcept {
  // Without memory or threads the communicators end with the process, which is about to end.
  base::attempt([&] {
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
  });
}

// The handles of all communicators of this process, for the code that ends it.
class LiveHandles {
 public:
  // Never destroyed, because a thread may end the process while static objects are being destroyed.
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

  std::optional<ncclResult_t> failure() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return std::nullopt;
    for (const auto& handle : handles_)
      if (const auto failure = handle->failure()) return failure;
    return std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::set<std::shared_ptr<Handle>> handles_;
};

class NcclStreamCommunicator final : public NcclCommunicator {
 public:
  NcclStreamCommunicator(CpuCommunicator& all_ranks, void* stream, const NcclDeadlines& deadlines,
                         NcclCalls calls)
      : all_ranks_(all_ranks),
        stream_(static_cast<cudaStream_t>(stream)),
        deadlines_(deadlines),
        calls_(calls),
        handle_(std::make_shared<Handle>(calls)) {
    ncclUniqueId id{};
    if (all_ranks.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    all_ranks.broadcast({&id, sizeof id, DataType::uint8}, 0);
    LiveHandles::instance().add(handle_);
    try {
      handle_->start(all_ranks.size(), id, all_ranks.rank());
      wait_until_done("ncclCommInitRankConfig", deadlines_.meeting);
      handle_->set_started();
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

  int rank() const override { return all_ranks_.rank(); }
  int size() const override { return all_ranks_.size(); }
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

  // Issues both in one group: alone, each would wait on the device for the matching call of the
  // peer.
  void exchange(int peer, Buffer send, Buffer receive) override {
    const Buffer& longer = send.bytes() > receive.bytes() ? send : receive;
    issue("ncclSend and ncclRecv", longer, peer, [&](ncclComm_t comm) {
      ncclResult_t result = ncclGroupStart();
      if (result != ncclSuccess) return result;
      if (send.count > 0)
        result = ncclSend(send.data, length(send), native(send.type), peer, comm, stream_);
      if (receive.count > 0 && is_fine(result))
        result = ncclRecv(receive.data, length(receive), native(receive.type), peer, comm, stream_);
      // The group belongs to this thread until it ends, so it must end even after an error.
      const ncclResult_t end = ncclGroupEnd();
      return is_fine(result) ? end : result;
    });
  }

  void barrier() override { all_ranks_.barrier(); }

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
    // A clean shutdown waits for the other ranks, which do not take part after an error.
    if (std::uncaught_exceptions() > 0 || in_call_) return abort();
    try {
      handle_->set_ending();
      handle_->run("ncclCommFinalize", [](ncclComm_t comm) { return ncclCommFinalize(comm); });
      wait_until_done("ncclCommFinalize", deadlines_.meeting);
      handle_->destroy();
    } catch (const std::exception& error) {
      log::warn(base::text("NCCL did not shut down cleanly: ", error.what()));
      abort();
    }
  }

  static std::size_t length(const Buffer& b) { return static_cast<std::size_t>(b.count); }

  // Queues one call and returns when its kernel is in the stream.
  template <typename Call>
  void issue(const char* name, const Buffer& buffer, int peer, Call call) {
    if (buffer.count == 0) return;
    // NCCL chooses the algorithm and connections by call and size. A new combination needs new
    // connections, which wait for the other ranks.
    const bool first = seen_.emplace(name, buffer.bytes(), peer).second;
    in_call_ = true;
    handle_->run(name, call);
    wait_until_done(name, first ? deadlines_.meeting : deadlines_.issue, buffer.bytes());
    in_call_ = false;
  }

  // Waits until a polled call is done: it runs in a thread of NCCL, usually for some microseconds.
  // A blocking call is already done when it returns.
  void wait_until_done(const char* call, base::Seconds limit, std::size_t bytes = 0) {
    if (calls_ == NcclCalls::blocking) return;
    constexpr base::Seconds kSpinTime{200e-6};
    constexpr std::chrono::microseconds kShortestSleep{20}, kLongestSleep{200};
    std::chrono::microseconds sleep = kShortestSleep;
    const base::Stopwatch watch;
    while (!handle_->is_done(call)) {
      const base::Seconds waited = watch.elapsed();
      if (waited > limit)
        throw base::Error(
            base::ExitCode::timed_out,
            base::text(call, bytes > 0 ? base::text(" of ", bytes, " bytes") : "",
                       " did not complete within ", limit.count(),
                       " s: another rank has not reached this call, or the GPU does not finish its "
                       "earlier work. (distributed.timeout_s and slow_timeout_s set the limits.)"));
      if (waited < kSpinTime) {
        std::this_thread::yield();
        continue;
      }
      std::this_thread::sleep_for(sleep);
      sleep = std::min(2 * sleep, kLongestSleep);
    }
  }

  CpuCommunicator& all_ranks_;
  const cudaStream_t stream_;
  const NcclDeadlines deadlines_;
  const NcclCalls calls_;
  const std::shared_ptr<Handle> handle_;
  std::set<std::tuple<std::string_view, std::size_t, int>> seen_;  // call, bytes, peer or root
  bool in_call_ = false;  // true during a call; stays true after a failed one
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

std::unique_ptr<NcclCommunicator> make_nccl_communicator(CpuCommunicator& all_ranks, void* stream,
                                                         const NcclDeadlines& deadlines,
                                                         NcclCalls calls) {
  return std::make_unique<NcclStreamCommunicator>(all_ranks, stream, deadlines, calls);
}

void abort_nccl_communicators() noexcept { abort_for_a_while(LiveHandles::instance().all()); }

std::optional<std::string> nccl_failure() {
  const std::optional<ncclResult_t> failure = LiveHandles::instance().failure();
  if (!failure) return std::nullopt;
  return words_for(*failure);
}

std::shared_ptr<void> make_nccl_memory(std::size_t bytes) {
  void* memory = nullptr;
  if (ncclMemAlloc(&memory, bytes) != ncclSuccess || !memory) return nullptr;
  return {memory, [](void* allocated) { ncclMemFree(allocated); }};
}

}  // namespace vae_dist::comm
