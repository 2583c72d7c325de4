// Training is the same at any number of ranks: R replicas on 1, 2 or 4 of them.
#include <gtest/gtest.h>

#include <cmath>

#include "small_run.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kSteps = 5;

struct Course {
  std::vector<std::vector<double>> steps;     // of each: loss, reconstruction, KL, gradient norm, skipped
  std::vector<std::vector<at::Tensor>> gradients;  // of each step
  std::vector<at::Tensor> state;              // at the end
};

Course train(const Config& config, std::int64_t replicas, int ranks) {
  Course course;
  run_thread_ranks(ranks, [&](Communicator& comm) {
    SmallRank rank(config, replicas, comm);
    Course mine;
    for (std::int64_t number = 0; number < kSteps; ++number) {
      mine.steps.push_back(rank.step(number));
      mine.gradients.push_back(rank.gradients());
    }
    mine.state = rank.state();
    if (comm.rank() == comm.size() - 1) course = std::move(mine);
  });
  return course;
}

double largest(const std::vector<at::Tensor>& tensors) {
  double out = 0;
  for (const at::Tensor& tensor : tensors) out = std::max(out, tensor.abs().max().item<double>());
  return out;
}

void expect_same_course(const Course& ours, const Course& expected, double tolerance, std::int64_t steps) {
  for (std::int64_t number = 0; number < steps; ++number) {
    const auto at_step = static_cast<std::size_t>(number);
    const auto &values = ours.steps[at_step], &right_values = expected.steps[at_step];
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(values[i], right_values[i], tolerance * std::abs(right_values[i])) << "value " << i << " of step " << number;

    const auto &gradients = ours.gradients[at_step], &right_gradients = expected.gradients[at_step];
    ASSERT_EQ(gradients.size(), right_gradients.size());
    for (std::size_t i = 0; i < gradients.size(); ++i)
      EXPECT_LE(largest({gradients[i] - right_gradients[i]}), tolerance * largest(right_gradients)) << "gradient " << i << " of step " << number;
  }
}

void expect_same_state(const Course& ours, const Course& expected, double tolerance) {
  ASSERT_EQ(ours.state.size(), expected.state.size());
  for (std::size_t i = 0; i < expected.state.size(); ++i)
    EXPECT_TRUE(at::allclose(ours.state[i], expected.state[i], tolerance, tolerance)) << "tensor " << i;
}

class WorldSize : public testing::TestWithParam<int> {};

TEST_P(WorldSize, DoesNotMatterWithStatisticsOfReplicas) {
  const Course alone = train(small_config(), 4, 1), ours = train(small_config(), 4, GetParam());
  expect_same_course(ours, alone, 1e-9, kSteps);
  expect_same_state(ours, alone, 1e-9);
}

TEST_P(WorldSize, DoesNotMatterWithGlobalStatisticsWhichAreThoseOfOneBatch) {
  Config sync = small_config();
  sync.distributed.batch_norm = "sync";
  const Course whole = train(small_config(), 1, 1), ours = train(sync, 4, GetParam());
  expect_same_course(ours, whole, 1e-9, kSteps);
  expect_same_state(ours, whole, 1e-9);
}

TEST_P(WorldSize, DoesNotMatterInSinglePrecisionOverTheFirstSteps) {
  // Rounding grows from step to step, in any training.
  expect_same_course(train(small_config("fp32"), 4, GetParam()), train(small_config("fp32"), 4, 1), 1e-5, 3);
}

INSTANTIATE_TEST_SUITE_P(Ranks, WorldSize, testing::Values(1, 2, 4));

TEST(WorldSizeTests, SeeADifferenceWhereThereIsOne) {
  // Replicas have statistics of their own: another R is another training.
  const Course four = train(small_config(), 4, 1), two = train(small_config(), 2, 1);
  EXPECT_GT(std::abs(four.steps[0][0] - two.steps[0][0]), 1e-6 * four.steps[0][0]);
  EXPECT_GT(std::abs(four.steps[4][0] - four.steps[0][0]), 1e-6) << "nothing was learned";
}

}  // namespace
}  // namespace vae_dist
