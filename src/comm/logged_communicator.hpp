// A communicator that records its collectives in a log.
#pragma once

#include <memory>
#include <string>

#include "comm/collective_log.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// Wraps `original` so that each collective adds an entry such as "<label>: broadcast" to `log`.
/// exchange() is part of a collective and adds none. Duplicates are not logged. `log` must outlive
/// the communicator.
std::unique_ptr<CpuCommunicator> make_logged_communicator(std::unique_ptr<CpuCommunicator> original,
                                                          const std::string& label,
                                                          CollectiveLog& log);

}  // namespace vae_dist::comm
