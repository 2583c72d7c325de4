// Copies tensors of rank 0 to every rank, and checks that tensors are equal on all ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::parallel {

/// Broadcasts rank 0's tensors (any strides, any device) through the host. A collective on a host
/// communicator.
void broadcast_tensors(comm::CpuCommunicator& all_ranks, const std::vector<at::Tensor>& tensors);

/// Returns a hash of the values in logical order, independent of strides and device.
std::uint64_t hash_tensors(const std::vector<at::Tensor>& tensors);

/// Throws AgreedError, naming the ranks whose tensors differ from those of most ranks, unless all
/// are equal. `what` names the tensors: "initial weights". A collective on a host communicator.
void require_equal_tensors(comm::CpuCommunicator& all_ranks, const std::string& what,
                           const std::vector<at::Tensor>& tensors,
                           base::ExitCode code = base::ExitCode::bad_input);

}  // namespace vae_dist::parallel
