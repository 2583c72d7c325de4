// Equal tensors on every rank: rank 0's, and a proof that they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::parallel {

/// Broadcasts rank 0's tensors (any strides and device) through the host. A collective on a host
/// communicator.
void broadcast_tensors(comm::HostCommunicator& host, const std::vector<at::Tensor>& tensors);

/// A hash of the values in logical order, whatever strides and device.
std::uint64_t hash_tensors(const std::vector<at::Tensor>& tensors);

/// Throws AgreedError naming the ranks whose tensors differ from rank 0's. `what` names them:
/// "initial weights". A collective on a host communicator.
void require_equal_tensors(comm::HostCommunicator& host, const std::string& what,
                           const std::vector<at::Tensor>& tensors,
                           base::ExitCode code = base::ExitCode::bad_input);

}  // namespace vae_dist::parallel
