#include "input/replica_plan.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"

namespace vae_dist::input {
namespace {

using testing::HasSubstr;

std::string refusal(std::int64_t global_batch, std::int64_t replicas, int world_size,
                    std::int64_t samples) {
  try {
    make_replica_plan(global_batch, replicas, world_size, 0, samples);
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "";
}

TEST(ReplicaPlan, CutsTheBatchIntoReplicasAndTheseOntoRanks) {
  const ReplicaPlan plan = make_replica_plan(96, 8, 4, 3, 1000);
  EXPECT_EQ(plan.replicas_per_rank(), 2);
  EXPECT_EQ(plan.samples_per_replica(), 12);
  EXPECT_EQ(plan.samples_per_rank(), 24);
  EXPECT_EQ(plan.first_sample(), 72);
}

TEST(ReplicaPlan, GivesEverySampleToOneRankAtAnyNumberOfRanks) {
  for (const int ranks : {1, 2, 4, 8}) {
    std::int64_t next = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const ReplicaPlan plan = make_replica_plan(96, 8, ranks, rank, 96);
      EXPECT_EQ(plan.first_sample(), next);
      EXPECT_EQ(plan.samples_per_replica(), 12) << "a replica is the same at any number of ranks";
      next += plan.samples_per_rank();
    }
    EXPECT_EQ(next, 96);
  }
}

TEST(ReplicaPlan, RefusesReplicasThatTheRanksCannotShare) {
  const std::string message = refusal(64, 4, 3, 1000);
  EXPECT_THAT(message, HasSubstr("distributed.replicas 4 is not divisible by the 3 ranks"));
  EXPECT_THAT(message, HasSubstr("set distributed.replicas to a multiple of 3"));
  EXPECT_THAT(refusal(64, 2, 4, 1000),
              HasSubstr("distributed.replicas 2 is not divisible by the 4 ranks"));
}

TEST(ReplicaPlan, RefusesABatchThatTheReplicasCannotShareAndNamesTheNearestThatTheyCan) {
  const std::string message = refusal(100, 8, 4, 1000);
  EXPECT_THAT(message, HasSubstr("train.global_batch 100 is not divisible by the 8 replicas"));
  EXPECT_THAT(message, HasSubstr("Use 96 or 104."));
  EXPECT_THAT(refusal(3, 8, 4, 1000), HasSubstr("Use 8.")) << "0 is no batch";
}

TEST(ReplicaPlan, RefusesReplicasOfOneSample) {
  const std::string message = refusal(8, 8, 4, 1000);
  EXPECT_THAT(message,
              HasSubstr("train.global_batch 8 over 8 replicas leaves each with one sample"));
  EXPECT_THAT(message, HasSubstr("Use at least 16"));
  EXPECT_EQ(refusal(16, 8, 4, 1000), "");
}

TEST(ReplicaPlan, RefusesADatasetSmallerThanABatch) {
  const std::string message = refusal(64, 4, 2, 63);
  EXPECT_THAT(message, HasSubstr("data.train has 63 samples, fewer than train.global_batch 64"));
  EXPECT_EQ(refusal(64, 4, 2, 64), "");
}

}  // namespace
}  // namespace vae_dist::input
