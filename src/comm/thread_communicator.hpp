// Runs ranks as threads of one process, so that distributed code can be unit-tested at any world
// size without a launcher.
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// Runs `body` in `size` threads, each with its communicator, and returns when all have ended.
/// Rethrows the first exception of any rank; the collectives of the other ranks then throw too, so
/// that no rank waits for one that is gone.
void run_thread_ranks(int size, const std::function<void(CpuCommunicator&)>& body);

}  // namespace vae_dist::comm
