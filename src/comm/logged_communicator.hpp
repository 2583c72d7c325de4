// A communicator whose collectives are remembered in a log.
#pragma once

#include <memory>
#include <string>

#include "comm/collective_log.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// `original` with an entry "<label>: broadcast" and the like in `log` for each collective;
/// exchange() is part of one and leaves none. Its duplicates are not logged. `log` outlives it.
std::unique_ptr<HostCommunicator> make_logged_communicator(
    std::unique_ptr<HostCommunicator> original, const std::string& label, CollectiveLog& log);

}  // namespace vae_dist::comm
