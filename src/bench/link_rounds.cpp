#include "bench/link_rounds.hpp"

namespace vae_dist::bench {

int link_rounds(int ranks, int distance) {
  if (distance < 1 || ranks % distance != 0) return 0;
  const int members = ranks / distance;
  return members < 2 ? 0 : members == 2 ? 1 : members % 2 == 0 ? 2 : 3;
}

std::optional<int> link_partner(int rank, int ranks, int distance, int round) {
  const int members = ranks / distance, mine = rank / distance;
  // The link from member m to the next is used in round 0 if m is even, and in round 1 if m is odd.
  // The link that closes an odd ring is used in round 2.
  const auto round_of_link = [&](int member) {
    return member == members - 1 && members % 2 != 0 ? 2 : member % 2;
  };
  const int next = (mine + 1) % members, before = (mine + members - 1) % members;
  if (round_of_link(mine) == round) return rank % distance + next * distance;
  if (round_of_link(before) == round) return rank % distance + before * distance;
  return std::nullopt;
}

}  // namespace vae_dist::bench
