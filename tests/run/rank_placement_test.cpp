#include "run/rank_placement.hpp"

#include <gtest/gtest.h>
#include <sched.h>

namespace vae_dist::run {
namespace {

using Lines = std::vector<std::string>;

TEST(PlaceText, HasTheGpuItsNodeAndCardAndTheCores) {
  RankPlacement place;
  place.cores = {0, 1, 2, 3, 8};
  place.nodes = {0};
  EXPECT_EQ(placement_text(place), "cores 0-3, 8 (NUMA node 0)");
  place.gpu = "NVIDIA H100 80GB HBM3";
  place.bus_id = "0000:1B:00.0";
  place.gpu_node = 1;
  place.network = "mlx5_0";
  EXPECT_EQ(placement_text(place),
            "NVIDIA H100 80GB HBM3 at 0000:1b:00.0 (NUMA node 1), NIC mlx5_0; cores 0-3, 8 (NUMA "
            "node 0)");
}

TEST(PlaceText, LeavesOutWhatTheMachineDoesNotSay) {
  RankPlacement place;
  place.cores = {3};
  EXPECT_EQ(placement_text(place), "core 3");
  place.gpu = "NVIDIA H100 80GB HBM3";
  place.bus_id = "0000:1B:00.0";
  EXPECT_EQ(placement_text(place), "NVIDIA H100 80GB HBM3 at 0000:1b:00.0; core 3");
}

TEST(PlaceText, IsOfTheCoresThatThisProcessMayUse) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  const RankPlacement place = own_placement(c10::kCPU);
  EXPECT_EQ(static_cast<int>(place.cores.size()), CPU_COUNT(&set));
  for (const int core : place.cores) EXPECT_TRUE(CPU_ISSET(core, &set)) << core;
}

TEST(ByRanks, SaysEachThingOnceWithItsRanks) {
  EXPECT_EQ(by_ranks({"a", "a", "b", "a"}), (Lines{"ranks 0-1, 3: a", "rank 2: b"}));
  EXPECT_EQ(by_ranks({"a", "a"}), Lines{"a"}) << "a text that all ranks share has no prefix";
  EXPECT_EQ(by_ranks({"", "a"}), Lines{"rank 1: a"});
  EXPECT_EQ(by_ranks({"", ""}), Lines{});
}

TEST(ByRanks, DoesNotFillTheScreen) {
  EXPECT_EQ(by_ranks({"a", "b", "c", "d"}, 2),
            (Lines{"rank 0: a", "rank 1: b", "and 2 more from other ranks"}));
}

}  // namespace
}  // namespace vae_dist::run
