// Ranks as threads of one process: distributed code becomes an ordinary unit test at any world
// size, without a launcher.
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// Runs `body` in `size` threads, each with its communicator, and returns when all have ended. The
/// first exception of any rank is thrown again here; the others' collectives then end with an
/// exception too, so that nobody waits for a rank that is gone.
void run_thread_ranks(int size, const std::function<void(HostCommunicator&)>& body);

}  // namespace vae_dist::comm
