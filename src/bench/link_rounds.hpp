// Who exchanges with whom when the links between ranks are measured: each with its two neighbours
// on a ring, in rounds in which everybody has one partner at most.
#pragma once

#include <optional>

namespace vae_dist::bench {

/// Rounds of the rings that go through every `distance`-th of `ranks`: 1 for two ranks a ring, 2
/// for an even number, 3 for an odd one; 0 where a ring has a single rank, or they do not divide.
/// Pure.
int link_rounds(int ranks, int distance);

/// With whom `rank` exchanges in a round of link_rounds(); nothing: it has no partner then. Pure.
std::optional<int> link_partner(int rank, int ranks, int distance, int round);

}  // namespace vae_dist::bench
