// Keeps NCCL's own log in memory, so that a run can report which transport NCCL chose and a failing
// rank can report NCCL's warnings.
#pragma once

#include <string>

namespace vae_dist::comm {

/// Makes NCCL write the log of its start and its connections to memory of this process, through
/// NCCL_DEBUG, NCCL_DEBUG_SUBSYS and NCCL_DEBUG_FILE. Call it before NCCL starts. No-op if one of
/// these variables is already set: NCCL then logs where the user wants.
void keep_nccl_log();

/// Returns the log so far. Empty if no log is kept.
std::string nccl_log();

/// Returns the transports that connect this rank to its peers, according to a log, each kind once:
/// "P2P/CUMEM, NET/IB over mlx5_0 (GDRDMA)". Empty before the first collective, because NCCL
/// connects at the first collective of a kind. Pure.
std::string nccl_transport_in(const std::string& log);

/// Returns the warnings in a log, one per line. Empty if there are none. Pure.
std::string nccl_warnings_in(const std::string& log);

}  // namespace vae_dist::comm
