// A step whose loss or gradients are not finite, or whose gradients are too large, changes nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "small_run.hpp"

namespace vae_dist::step {
namespace {

// Returns the global batch of a step with one value replaced.
at::Tensor images_with(double value, std::int64_t sample) {
  at::Tensor images = images_of_step(1);
  images[sample][0][4][5] = value;
  return images;
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(),
                 kInfinity = std::numeric_limits<double>::infinity();

class SkippedStep : public testing::TestWithParam<std::tuple<std::string, double>> {
 protected:
  static config::Config config() {
    config::Config out = small_config();
    out.distributed.batch_norm = config::from_word<config::BatchNorm>(std::get<0>(GetParam()));
    out.train.gradient_clip_norm =
        0.05;  // clipping by NaN would write NaN into the gaps between the gradients
    return out;
  }
};

TEST_P(SkippedStep, LeavesWeightsMomentsCountsAndStatisticsUntouchedBitForBit) {
  const auto self = comm::make_self_communicator();
  SmallRank rank(config(), 4, *self);
  rank.step(0);
  const auto before = rank.state();
  const StepValues outcome = step_values(rank.step(images_with(std::get<1>(GetParam()), 6), 1));
  EXPECT_TRUE(outcome.skipped);
  EXPECT_FALSE(std::isfinite(outcome.loss) && std::isfinite(outcome.gradient_norm));
  EXPECT_TRUE(same_tensors(rank.state(), before));
}

TEST_P(SkippedStep, LeavesNoTraceInTheStepsThatFollow) {
  const auto self = comm::make_self_communicator();
  SmallRank with(config(), 4, *self), without(config(), 4, *self);
  with.step(0);
  without.step(0);
  with.step(images_with(std::get<1>(GetParam()), 6), 1);
  for (const std::int64_t number : {2, 3}) EXPECT_EQ(with.step(number), without.step(number));
  EXPECT_TRUE(same_tensors(with.state(), without.state()));
}

TEST_P(SkippedStep, IsSkippedOnEveryRankWhereverTheBadImageIs) {
  for (const int bad_sample : {0, 15}) {
    comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
      SmallRank rank(config(), 4, comm);
      rank.step(0);
      const auto before = rank.state();
      EXPECT_TRUE(
          step_values(rank.step(images_with(std::get<1>(GetParam()), bad_sample), 1)).skipped)
          << "rank " << comm.rank();
      EXPECT_TRUE(same_tensors(rank.state(), before)) << "rank " << comm.rank();
      EXPECT_FALSE(step_values(rank.step(2)).skipped) << "rank " << comm.rank();
    });
  }
}

// With one replica per rank, the next step overwrites the arena instead of zeroing it.
TEST_P(SkippedStep, LeavesNoTraceWithOneReplicaARank) {
  comm::run_thread_ranks(4, [&](comm::CpuCommunicator& comm) {
    SmallRank with(config(), 4, comm), without(config(), 4, comm);
    with.step(0);
    without.step(0);
    with.step(images_with(std::get<1>(GetParam()), 6), 1);
    for (const std::int64_t number : {2, 3})
      EXPECT_EQ(with.step(number), without.step(number)) << "rank " << comm.rank();
    EXPECT_TRUE(same_tensors(with.state(), without.state())) << "rank " << comm.rank();
  });
}

INSTANTIATE_TEST_SUITE_P(Causes, SkippedStep,
                         testing::Combine(testing::Values("local", "sync"),
                                          testing::Values(kNaN, kInfinity)),
                         [](const auto& info) {
                           return std::get<0>(info.param) +
                                  (std::isnan(std::get<1>(info.param)) ? "NaN" : "Infinite");
                         });

TEST(StepAboveTheNorm, IsSkippedAndLeavesNoTrace) {
  const auto self = comm::make_self_communicator();
  SmallRank free(small_config(), 4, *self);
  const double norm = step_values(free.step(0)).gradient_norm;
  ASSERT_GT(norm, 0);

  config::Config config = small_config();
  config.train.skip_step_above_norm = norm * 0.999;
  SmallRank strict(config, 4, *self);
  const auto before = strict.state();
  const StepValues outcome = step_values(strict.step(0));
  EXPECT_TRUE(outcome.skipped);
  EXPECT_EQ(outcome.gradient_norm, norm);
  EXPECT_TRUE(same_tensors(strict.state(), before));

  config.train.skip_step_above_norm = norm * 1.001;
  SmallRank lenient(config, 4, *self);
  EXPECT_FALSE(step_values(lenient.step(0)).skipped);
  EXPECT_TRUE(same_tensors(lenient.state(), free.state()));
}

TEST(ClippedStep, GoesOnWithTheGradientAtTheLimitAndTellsTheNormBefore) {
  const auto self = comm::make_self_communicator();
  SmallRank free(small_config(), 4, *self);
  const double norm = step_values(free.step(0)).gradient_norm;
  const auto gradients = free.gradients();

  config::Config config = small_config();
  config.train.gradient_clip_norm = norm / 2;
  SmallRank clipped(config, 4, *self);
  EXPECT_EQ(step_values(clipped.step(0)).gradient_norm, norm);
  const auto halved = clipped.gradients();
  for (std::size_t i = 0; i < gradients.size(); ++i)
    EXPECT_TRUE(at::allclose(halved[i], gradients[i] / 2, 1e-4, 0)) << "parameter " << i;
}

}  // namespace
}  // namespace vae_dist::step
