// Errors before the first step are everybody's: each phase of the start ends with ok or an error
// from every rank.
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// What every rank throws when any rank failed in a phase; the message holds each different error
/// once, with the ranks that had it. It has been agreed on: rank 0 prints it, and all may leave in
/// good order.
class AgreedError : public base::Error {
 public:
  using base::Error::Error;
};

/// Runs `phase`, which must not call collectives, on every rank; then the ranks compare. Throws
/// AgreedError on all when any failed: exit code bad_input if every error is one, else rank_failed.
/// A collective on a host communicator.
void agree(HostCommunicator& comm, const std::function<void()>& phase);

/// The same for a phase that rank 0 alone runs on behalf of all: its error is everybody's, and
/// names no rank.
void agree_on_rank_0(HostCommunicator& comm, const std::function<void()>& phase);

/// Throws AgreedError with `code`, naming the ranks whose value differs from that of most. `what`
/// names the value: "initial weights". A collective.
void require_equal(HostCommunicator& comm, const std::string& what, const std::string& value,
                   base::ExitCode code = base::ExitCode::bad_input);

}  // namespace vae_dist::comm
