// The caches that cores share.
#pragma once

namespace vae_dist::bench {

/// Bytes that the node's caches of the third level hold, all of them together, as Linux tells; 0
/// where it does not.
double shared_cache_bytes();

}  // namespace vae_dist::bench
