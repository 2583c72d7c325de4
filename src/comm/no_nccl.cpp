// Stands in for nccl_communicator.cpp where the torch wheel brings no NCCL (a CPU wheel).
#include "base/error.hpp"
#include "comm/nccl_communicator.hpp"

namespace vae_dist {

std::string nccl_version() { return ""; }

std::unique_ptr<Communicator> make_nccl_communicator(Communicator&, void*) {
  throw BadInput("distributed.backend nccl: this build has no NCCL; build against a CUDA wheel of torch, or set distributed.backend=mpi");
}

}  // namespace vae_dist
