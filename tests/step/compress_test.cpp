// distributed.compress bf16 changes training only slightly, and equally on all ranks.
#include <gtest/gtest.h>

#include <cmath>

#include "small_run.hpp"

namespace vae_dist::step {
namespace {

constexpr std::int64_t kSteps = 5, kReplicas = 8;

struct Course {
  std::vector<double> losses;
  std::vector<at::Tensor> state;  // at the end
};

// Returns the course of each rank.
std::vector<Course> train(const std::string& compress, int ranks) {
  config::Config config = small_config("fp32");
  config.distributed.compress = config::from_word<config::Compress>(compress);
  std::vector<Course> courses(static_cast<std::size_t>(ranks));
  comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
    SmallRank rank(config, kReplicas, comm);
    Course& course = courses[static_cast<std::size_t>(comm.rank())];
    for (std::int64_t number = 0; number < kSteps; ++number)
      course.losses.push_back(rank.step(number)[0]);
    course.state = rank.state();
  });
  return courses;
}

class Compress : public testing::TestWithParam<int> {};

TEST_P(Compress, ChangesTheFirstLossesLittle) {
  const Course exact = train("none", GetParam())[0], rounded = train("bf16", GetParam())[0];
  EXPECT_EQ(rounded.losses[0], exact.losses[0]) << "statistics and losses must not be rounded";
  double largest = 0;
  for (std::size_t step = 1; step < exact.losses.size(); ++step)
    largest = std::max(largest, std::abs(rounded.losses[step] / exact.losses[step] - 1));
  EXPECT_LT(largest, 1e-3);  // seen: 2.2e-4
  EXPECT_GT(largest, 0) << "nothing was rounded";
}

TEST_P(Compress, LeavesEveryRankWithTheSameWeights) {
  const std::vector<Course> courses = train("bf16", GetParam());
  for (const Course& course : courses) EXPECT_TRUE(same_tensors(course.state, courses[0].state));
}

INSTANTIATE_TEST_SUITE_P(Ranks, Compress, testing::Values(2, 4, 8));

}  // namespace
}  // namespace vae_dist::step
