// What NCCL says of itself: kept in memory, so that a run can tell which transport it chose, and a
// failing rank what it warned of.
#pragma once

#include <string>

namespace vae_dist::comm {

/// Has NCCL write how it starts and connects into memory of this process, by NCCL_DEBUG,
/// NCCL_DEBUG_SUBSYS and NCCL_DEBUG_FILE; to be called before NCCL is. Does nothing where the
/// environment has one of them already: then NCCL tells by itself.
void keep_nccl_log();

/// What was written so far; empty where nothing is kept.
std::string nccl_log();

/// What connects this rank to its peers, by the log of the collectives made so far, each kind once:
/// "P2P/CUMEM, NET/IB over mlx5_0 (GDRDMA)". NCCL connects at the first collective of a kind, so
/// before it there is nothing: empty. Pure.
std::string nccl_transport_in(const std::string& log);

/// The warnings in a log, a line each; empty: none. Pure.
std::string nccl_warnings_in(const std::string& log);

}  // namespace vae_dist::comm
