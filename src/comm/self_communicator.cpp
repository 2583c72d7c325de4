#include <cstring>
#include <stdexcept>

#include "comm/communicator.hpp"

namespace vae_dist::comm {
namespace {

struct Finished final : PendingCollective {
  void wait() override {}
};

class SelfCommunicator final : public CpuCommunicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  const char* name() const override { return "self"; }
  void broadcast(Buffer, int) override {}
  void all_reduce_sum(Buffer) override {}
  void all_gather(Buffer in, Buffer out) override {
    if (in.bytes() > 0) std::memcpy(out.data, in.data, in.bytes());
  }
  void exchange(int, Buffer, Buffer) override {
    throw std::logic_error("a single rank has no peer to exchange with");
  }
  void barrier() override {}
  std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer) override {
    return std::make_unique<Finished>();
  }
  bool on_one_node() const override { return true; }
  bool aborted() const override { return false; }
  std::unique_ptr<CpuCommunicator> duplicate() override {
    return std::make_unique<SelfCommunicator>();
  }
  void abort() noexcept override {}
};

}  // namespace

std::unique_ptr<CpuCommunicator> make_self_communicator() {
  return std::make_unique<SelfCommunicator>();
}

}  // namespace vae_dist::comm
