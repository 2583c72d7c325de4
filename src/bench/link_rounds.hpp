// Schedules the measurement of links between ranks. Each rank exchanges with its two neighbours on
// a ring, in rounds in which every rank has at most one partner.
#pragma once

#include <optional>

namespace vae_dist::bench {

/// Returns the number of rounds for the rings through every `distance`-th of `ranks`: 1 for two
/// ranks per ring, 2 for an even number, 3 for an odd one; 0 if a ring has a single rank, or if
/// `distance` does not divide `ranks`. Pure.
int link_rounds(int ranks, int distance);

/// Returns the partner of `rank` in a round of link_rounds(); empty if it has none in that round.
/// Pure.
std::optional<int> link_partner(int rank, int ranks, int distance, int round);

}  // namespace vae_dist::bench
