// Training R replicas gives the same results on 1, 2 or 4 ranks.
#include "course.hpp"

namespace vae_dist::step {
namespace {

class WorldSize : public testing::TestWithParam<int> {};

TEST_P(WorldSize, DoesNotMatterWithStatisticsOfReplicas) {
  const Course alone = train(small_config(), 4, 1), ours = train(small_config(), 4, GetParam());
  expect_same_course(ours, alone, 1e-9, kSteps);
  expect_same_state(ours, alone, 1e-9);
}

TEST_P(WorldSize, DoesNotMatterWithGlobalStatisticsWhichAreThoseOfOneBatch) {
  config::Config sync = small_config();
  sync.distributed.batch_norm = config::BatchNorm::sync;
  const Course whole = train(small_config(), 1, 1), ours = train(sync, 4, GetParam());
  expect_same_course(ours, whole, 1e-9, kSteps);
  expect_same_state(ours, whole, 1e-9);
}

TEST_P(WorldSize, DoesNotMatterInSinglePrecisionOverTheFirstSteps) {
  // Rounding errors grow from step to step in any training.
  for (const config::Convolutions way :
       {config::Convolutions::automatic, config::Convolutions::onednn,
        config::Convolutions::products, config::Convolutions::direct}) {
    config::Config config = small_config("fp32");
    config.train.convolutions = way;
    expect_same_course(train(config, 4, GetParam()), train(config, 4, 1), 1e-5, 3);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, WorldSize, testing::Values(1, 2, 4));

TEST(WorldSizeTests, SeeADifferenceWhereThereIsOne) {
  // Replicas have their own statistics, so another R gives other results.
  const Course four = train(small_config(), 4, 1), two = train(small_config(), 2, 1);
  EXPECT_GT(std::abs(four.steps[0][0] - two.steps[0][0]), 1e-6 * four.steps[0][0]);
  EXPECT_GT(std::abs(four.steps[4][0] - four.steps[0][0]), 1e-6) << "nothing was learned";
}

}  // namespace
}  // namespace vae_dist::step
