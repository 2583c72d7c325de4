// Collectives between GPUs through NCCL, in the order of one CUDA stream.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"

namespace vae_dist {

/// The version of NCCL as loaded, "2.28.9"; empty when this build has none.
std::string nccl_version();

/// One rank a GPU; the calling thread's current device is this rank's. `host` carries the unique id (a collective on it). `stream` is
/// a cudaStream_t on which every collective is queued; it must outlive the communicator. Throws Failure with NCCL's own reason;
/// BadInput when this build has no NCCL.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host, void* stream);

}  // namespace vae_dist
