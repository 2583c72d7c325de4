#include <gmock/gmock.h>

#include "run/run_environment.hpp"

namespace vae_dist::run {
namespace {

// A rank that runs vae_dist_cuda on the CPU (because there is a driver) must match one that runs
// vae_dist.
TEST(EnvironmentText, NamesOnTheCpuTheBuildAndNotTheProgram) {
  EXPECT_THAT(
      environment_text("0123456789abcdef", device::DeviceChoice{}),
      ::testing::MatchesRegex("vae_dist [0-9.]+ \\(build 0123456789abcdef\\), torch [0-9.]+[^,]*"));
}

TEST(EnvironmentText, DiffersBetweenBuilds) {
  EXPECT_NE(environment_text("0123456789abcdef", device::DeviceChoice{}),
            environment_text("0123456789abcdee", device::DeviceChoice{}));
}

}  // namespace
}  // namespace vae_dist::run
