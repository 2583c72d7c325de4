#include "fake_nccl.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>

namespace vae_dist::comm {

FakeNccl& FakeNccl::instance() {
  static FakeNccl fake;
  return fake;
}

void FakeNccl::reset() {
  polls_in_progress = 0;
  call_result = poll_result = start_result = finalize_result = allocate_result = ncclSuccess;
  abort_hangs = call_hangs = false;
  takes_registrations = true;
  polls = 0;
  blocking = -1;
  open_groups = 0;
  is_in_stream = true;
  left_ = 0;
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

std::vector<std::string> FakeNccl::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

ncclResult_t FakeNccl::note(const std::string& name, ncclResult_t result) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(name);
  return result;
}

// Starts a call that continues after it has returned, unless the communicator is blocking.
ncclResult_t FakeNccl::begin(const std::string& name, ncclResult_t result) {
  note(name, result);
  if (result != ncclSuccess || !is_polled()) return result;
  left_ = polls_in_progress.load();
  is_in_stream = left_ == 0;
  return ncclInProgress;
}

ncclResult_t FakeNccl::poll(ncclResult_t* state) {
  ++polls;
  if (polls_in_progress == -1 || left_ > 0) {
    if (left_ > 0) --left_;
    *state = ncclInProgress;
    return ncclSuccess;
  }
  *state = poll_result;
  is_in_stream = poll_result == ncclSuccess;
  return ncclSuccess;
}

namespace {

FakeNccl& fake() { return FakeNccl::instance(); }

void hang() {
  while (fake().call_hangs) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Within a group, no call starts before the group ends.
ncclResult_t collective(const std::string& name) {
  if (fake().open_groups > 0) return fake().note(name, fake().call_result);
  const ncclResult_t result = fake().begin(name, fake().call_result);
  hang();
  return result;
}

}  // namespace
}  // namespace vae_dist::comm

using vae_dist::comm::fake;

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = 22809;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t) { return "unhandled system error"; }
const char* ncclGetLastError(ncclComm_t) { return "socket closed by remote peer"; }
ncclResult_t ncclGetUniqueId(ncclUniqueId*) { return ncclSuccess; }

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int, ncclUniqueId, int,
                                    ncclConfig_t* config) {
  fake().blocking = config->blocking;
  if (fake().start_result == ncclSuccess) *comm = reinterpret_cast<ncclComm_t>(&fake());
  const ncclResult_t result = fake().begin("start", fake().start_result);
  vae_dist::comm::hang();
  return result;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* state) { return fake().poll(state); }
ncclResult_t ncclCommFinalize(ncclComm_t) {
  return fake().begin("finalize", fake().finalize_result);
}
ncclResult_t ncclCommDestroy(ncclComm_t) { return fake().note("destroy", ncclSuccess); }

ncclResult_t ncclCommAbort(ncclComm_t) {
  fake().note("abort", ncclSuccess);
  while (fake().abort_hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return ncclSuccess;
}

ncclResult_t ncclBroadcast(const void*, void*, std::size_t, ncclDataType_t, int, ncclComm_t,
                           cudaStream_t) {
  return vae_dist::comm::collective("broadcast");
}
ncclResult_t ncclAllReduce(const void*, void*, std::size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t,
                           cudaStream_t) {
  return vae_dist::comm::collective("all-reduce");
}
ncclResult_t ncclAllGather(const void*, void*, std::size_t, ncclDataType_t, ncclComm_t,
                           cudaStream_t) {
  return vae_dist::comm::collective("all-gather");
}
ncclResult_t ncclSend(const void*, std::size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) {
  return vae_dist::comm::collective("send");
}
ncclResult_t ncclRecv(void*, std::size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) {
  return vae_dist::comm::collective("receive");
}

ncclResult_t ncclGroupStart() {
  ++fake().open_groups;
  return fake().note("group", ncclSuccess);
}

ncclResult_t ncclGroupEnd() {
  --fake().open_groups;
  return fake().begin("end", fake().call_result);
}

ncclResult_t ncclCommRegister(ncclComm_t, void*, std::size_t, void** handle) {
  *handle = fake().takes_registrations ? &fake() : nullptr;
  return fake().note("register", ncclSuccess);
}

ncclResult_t ncclCommDeregister(ncclComm_t, void*) {
  return fake().note("deregister", ncclSuccess);
}

ncclResult_t ncclMemAlloc(void** memory, std::size_t bytes) {
  if (fake().allocate_result == ncclSuccess) *memory = std::malloc(bytes);
  return fake().note("allocate", fake().allocate_result);
}

ncclResult_t ncclMemFree(void* memory) {
  std::free(memory);
  return fake().note("free", ncclSuccess);
}

}  // extern "C"
