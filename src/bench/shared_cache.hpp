// The size of the caches that cores share.
#pragma once

namespace vae_dist::bench {

/// Returns the total bytes of the node's third-level caches, as reported by Linux; 0 if it reports
/// none.
double shared_cache_bytes();

}  // namespace vae_dist::bench
