// Makes errors before the first step known to every rank: each phase of the start ends with an OK
// or an error from every rank.
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// The error that every rank throws if any rank failed in a phase. The message contains each
/// distinct error once, with the ranks that had it. All ranks know it, so rank 0 prints it and all
/// can shut down cleanly.
class AgreedError : public base::Error {
 public:
  using base::Error::Error;
};

/// Runs `phase`, which must not call collectives, on every rank and compares the outcomes. Throws
/// AgreedError on all ranks if any failed: with exit code bad_input if every error is one,
/// otherwise with rank_failed. A collective on a host communicator.
void agree(CpuCommunicator& comm, const std::function<void()>& phase);

/// Like agree(), for a phase that rank 0 alone runs on behalf of all ranks. Its error counts for
/// all and names no rank.
void agree_on_rank_0(CpuCommunicator& comm, const std::function<void()>& phase);

/// Returns on every rank whether `mine` is true on any of them. A collective.
bool on_any_rank(CpuCommunicator& comm, bool mine);

/// Throws AgreedError with `code` if the ranks' values differ, naming the ranks that differ from
/// the majority. `what` names the value: "initial weights". A collective.
void require_equal(CpuCommunicator& comm, const std::string& what, const std::string& value,
                   base::ExitCode code = base::ExitCode::bad_input);

}  // namespace vae_dist::comm
