#include "base/log.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

std::string said_by(int rank, int world_size, log::Level level) {
  testing::internal::CaptureStderr();
  log::configure(rank, world_size, level);
  log::debug("a detail");
  log::info("a fact");
  log::warn("a doubt");
  log::error("an error");
  return testing::internal::GetCapturedStderr();
}

TEST(Log, RankZeroSpeaksForTheRun) {
  EXPECT_EQ(said_by(0, 4, log::Level::info), "a fact\nwarning: a doubt\nan error\n");
  EXPECT_EQ(said_by(0, 1, log::Level::debug), "a detail\na fact\nwarning: a doubt\nan error\n");
}

TEST(Log, OtherRanksAreHeardOnlyWithWarningsAndErrors) {
  EXPECT_EQ(said_by(3, 4, log::Level::debug), "[rank 3] warning: a doubt\n[rank 3] an error\n");
}

TEST(Log, TheLevelIsTheLeastThatIsSaid) {
  EXPECT_EQ(said_by(3, 4, log::Level::error), "[rank 3] an error\n");
}

TEST(Log, TextIsNoFormat) {
  testing::internal::CaptureStderr();
  log::configure(0, 1, log::Level::info);
  log::info("{} {0} %s %^");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "{} {0} %s %^\n");
}

}  // namespace
}  // namespace vae_dist::base
