#include "bench/preflight.hpp"

#include <gmock/gmock.h>

#include "bench/link_rounds.hpp"

namespace vae_dist::bench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using Names = std::vector<std::string>;

// Returns the figures of four equal ranks on two hosts.
Preflight four_ranks() {
  Preflight preflight;
  for (int rank = 0; rank < 4; ++rank)
    preflight.ranks.push_back({rank,
                               rank < 2 ? "a" : "b",
                               "GPU 0: NVIDIA H100 at 0000:1b:00.0",
                               60e12,
                               1e9,
                               40e9,
                               20e9,
                               {}});
  preflight.all_reduce_bytes = 100e6;
  preflight.all_reduce_seconds = 0.005;
  return preflight;
}

TEST(Preflight, FindsNobodySlowWhereAllAreAlike) {
  Preflight preflight = four_ranks();
  preflight.ranks[1].operations_per_second *= 0.85;
  mark_slow_ranks(preflight.ranks);
  for (const RankMachine& one : preflight.ranks) EXPECT_EQ(one.slow, Names{});
  EXPECT_THAT(preflight_text(preflight),
              AllOf(HasSubstr("No rank is slower than 80 % of the median"), Not(HasSubstr("SLOW")),
                    HasSubstr("all-reduce of 100 MB among all: 5 ms, 30 GB/s")));
}

TEST(Preflight, NamesTheSlowRankItsHostAndItsGpu) {
  Preflight preflight = four_ranks();
  preflight.ranks[2].operations_per_second *= 0.5;
  preflight.ranks[2].host_bytes_per_second *= 0.7;
  preflight.ranks[3].read_bytes_per_second *= 0.1;
  preflight.ranks[0].neighbour_bytes_per_second *= 0.2;
  mark_slow_ranks(preflight.ranks);
  EXPECT_EQ(preflight.ranks[0].slow, Names{"link to neighbours"});
  EXPECT_EQ(preflight.ranks[1].slow, Names{});
  EXPECT_EQ(preflight.ranks[2].slow, (Names{"matrix product", "link to other hosts"}));
  EXPECT_EQ(preflight.ranks[3].slow, Names{"file reading"});
  EXPECT_THAT(
      preflight_text(preflight),
      AllOf(HasSubstr("\nSLOW: rank 2 on b (GPU 0: NVIDIA H100 at 0000:1b:00.0): matrix product\n"),
            HasSubstr("\nSLOW: rank 3 on b "), Not(HasSubstr("SLOW: rank 1"))));
}

TEST(Preflight, HasNoLinksWhereThereIsOneRank) {
  Preflight preflight;
  preflight.ranks.push_back({0, "a", "CPU: cores 0-1", 1e11, 1e8, 0, 0, {}});
  mark_slow_ranks(preflight.ranks);
  EXPECT_EQ(preflight.ranks[0].slow, Names{});
  EXPECT_THAT(preflight_text(preflight),
              AllOf(Not(HasSubstr("neighbour")), Not(HasSubstr("all-reduce"))));
}

TEST(LinkRounds, HaveEveryLinkOfTheRingOnceAndEveryRankWithOnePartnerAtATime) {
  for (const auto& [ranks, distance] : std::vector<std::pair<int, int>>{
           {2, 1}, {3, 1}, {4, 1}, {5, 1}, {8, 1}, {8, 4}, {8, 2}, {12, 4}, {16, 8}}) {
    std::vector<std::pair<int, int>> links;
    for (int round = 0; round < link_rounds(ranks, distance); ++round)
      for (int rank = 0; rank < ranks; ++rank) {
        const auto partner = link_partner(rank, ranks, distance, round);
        if (!partner) continue;
        EXPECT_NE(*partner, rank);
        EXPECT_EQ(link_partner(*partner, ranks, distance, round), rank)
            << ranks << " ranks, distance " << distance << ", round " << round;
        if (rank < *partner) links.emplace_back(rank, *partner);
      }
    const int members = ranks / distance;
    EXPECT_EQ(static_cast<int>(links.size()), members == 2 ? distance : ranks)
        << ranks << " ranks, distance " << distance;
    for (const auto& [a, b] : links)
      EXPECT_TRUE(b - a == distance || b - a == ranks - distance) << a << " and " << b;
    std::sort(links.begin(), links.end());
    EXPECT_EQ(std::adjacent_find(links.begin(), links.end()), links.end());
  }
}

TEST(LinkRounds, AreNoneWhereThereIsNobodyElse) {
  EXPECT_EQ(link_rounds(1, 1), 0);
  EXPECT_EQ(link_rounds(8, 8), 0);
  EXPECT_EQ(link_rounds(6, 4), 0);
  EXPECT_EQ(link_rounds(8, 0), 0);
}

}  // namespace
}  // namespace vae_dist::bench
