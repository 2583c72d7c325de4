#include "comm/nccl_communicator.hpp"

#include <nccl.h>

#include <exception>
#include <stdexcept>

#include "base/error.hpp"

namespace vae_dist {
namespace {

void check(ncclResult_t result, const char* call, ncclComm_t comm, std::source_location where = std::source_location::current()) {
  if (result == ncclSuccess) return;
  throw Failure(text(call, " failed: ", ncclGetErrorString(result), "; last message of NCCL: ", ncclGetLastError(comm), " (NCCL_DEBUG=INFO tells more)"), where);
}

ncclDataType_t native(DataType type) {
  switch (type) {
    case DataType::uint8: return ncclUint8;
    case DataType::int64: return ncclInt64;
    case DataType::bfloat16: return ncclBfloat16;
    case DataType::float32: return ncclFloat32;
    case DataType::float64: return ncclFloat64;
  }
  return ncclUint8;
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& host, void* stream) : host_(host), stream_(static_cast<cudaStream_t>(stream)) {
    ncclUniqueId id{};
    if (host.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId", nullptr);
    host.broadcast({&id, sizeof id, DataType::uint8}, 0);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    check(ncclCommInitRankConfig(&comm_, host.size(), id, host.rank(), &config), "ncclCommInitRankConfig", nullptr);
  }

  ~NcclCommunicator() override {
    if (!comm_) return;
    // Destroying waits for the other ranks, which do not come after an error.
    std::uncaught_exceptions() > 0 ? ncclCommAbort(comm_) : ncclCommDestroy(comm_);
  }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  const char* name() const override { return "nccl"; }

  void broadcast(Buffer b, int root) override {
    check(ncclBroadcast(b.data, b.data, static_cast<std::size_t>(b.count), native(b.type), root, comm_, stream_), "ncclBroadcast", comm_);
  }

  void all_reduce_sum(Buffer b) override {
    check(ncclAllReduce(b.data, b.data, static_cast<std::size_t>(b.count), native(b.type), ncclSum, comm_, stream_), "ncclAllReduce", comm_);
  }

  void all_gather(Buffer in, Buffer out) override {
    check(ncclAllGather(in.data, out.data, static_cast<std::size_t>(in.count), native(in.type), comm_, stream_), "ncclAllGather", comm_);
  }

  void exchange(int peer, Buffer send, Buffer receive) override {
    check(ncclGroupStart(), "ncclGroupStart", comm_);
    if (send.count > 0) check(ncclSend(send.data, static_cast<std::size_t>(send.count), native(send.type), peer, comm_, stream_), "ncclSend", comm_);
    if (receive.count > 0) check(ncclRecv(receive.data, static_cast<std::size_t>(receive.count), native(receive.type), peer, comm_, stream_), "ncclRecv", comm_);
    check(ncclGroupEnd(), "ncclGroupEnd", comm_);
  }

  void barrier() override { host_.barrier(); }

  std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer) override {
    throw std::logic_error("small host buffers are summed by the host's communicator, not by NCCL");
  }

  std::unique_ptr<Communicator> duplicate() override { throw std::logic_error("make another NCCL communicator over the host's instead"); }

  void abort() noexcept override {
    if (comm_) ncclCommAbort(comm_);
    comm_ = nullptr;
  }

 private:
  Communicator& host_;
  cudaStream_t stream_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace

std::string nccl_version() {
  int code = 0;  // major * 10000 + minor * 100 + patch
  check(ncclGetVersion(&code), "ncclGetVersion", nullptr);
  return text(code / 10000, ".", code / 100 % 100, ".", code % 100);
}

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host, void* stream) { return std::make_unique<NcclCommunicator>(host, stream); }

}  // namespace vae_dist
