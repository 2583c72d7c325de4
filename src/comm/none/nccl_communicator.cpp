// Replaces the functions of nccl_communicator.hpp in a program without NCCL.
#include "comm/nccl_communicator.hpp"

#include "base/error.hpp"

namespace vae_dist::comm {

int nccl_version_code() { return 0; }

std::string nccl_version() { return ""; }

std::unique_ptr<NcclCommunicator> make_nccl_communicator(CpuCommunicator&, void*,
                                                         const NcclDeadlines&, NcclCalls) {
  throw base::BadInput(
      "distributed.backend=nccl: this program was built without NCCL; build against a CUDA wheel "
      "of torch, or set distributed.backend=mpi");
}

void abort_nccl_communicators() noexcept {}

std::optional<std::string> nccl_failure() { return std::nullopt; }

std::shared_ptr<void> make_nccl_memory(std::size_t) { return nullptr; }

}  // namespace vae_dist::comm
