// Collectives between GPUs through NCCL, in the order of one CUDA stream.
#pragma once

#include <memory>

#include "comm/communicator.hpp"

namespace vae_dist {

/// Whether this build has NCCL.
bool has_nccl();

/// One rank a GPU; the calling thread's current device is this rank's. `host` carries the unique id (a collective on it). `stream` is
/// a cudaStream_t on which every collective is queued; it must outlive the communicator. Throws Failure with NCCL's own reason;
/// BadInput when this build has no NCCL.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host, void* stream);

}  // namespace vae_dist
