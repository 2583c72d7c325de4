#include "base/progress_words.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "comm/collective_log.hpp"

namespace vae_dist::comm {
namespace {

using testing::HasSubstr;

// A word that the test writes in place of the device.
struct Device {
  std::shared_ptr<std::uint32_t> word = std::make_shared<std::uint32_t>(0);
  base::ProgressWords words{
      {{"gradients: statistics", 40}, {"gradients: bucket 0", 1024}, {"gradients: bucket 1", 2048}},
      word};

  void passes(std::uint32_t marks) { *word += marks; }
};

TEST(ProgressWords, TellWhichCollectiveIsUnderWay) {
  Device device;
  EXPECT_EQ(device.words.now().started, 0);
  EXPECT_EQ(device.words.now().latest.what, "");
  device.words.launching();
  EXPECT_EQ(device.words.now().started, 0) << "the device has not reached it";
  device.passes(1);
  EXPECT_TRUE(device.words.now().is_under_way());
  EXPECT_EQ(device.words.now().latest.what, "gradients: statistics");
  device.passes(1);
  EXPECT_FALSE(device.words.now().is_under_way());
  EXPECT_EQ(device.words.now().finished, 1);
  device.passes(3);
  EXPECT_TRUE(device.words.now().is_under_way());
  EXPECT_EQ(device.words.now().started, 3);
  EXPECT_EQ(device.words.now().latest.what, "gradients: bucket 1");
  EXPECT_EQ(device.words.now().latest.bytes, 2048u);
}

TEST(ProgressWords, CountOverLaunchesOfWhichTheHostIsAhead) {
  Device device;
  for (int step = 0; step < 3; ++step) device.words.launching();
  device.passes(6 + 3);
  const base::ProgressWords::State state = device.words.now();
  EXPECT_EQ(state.started, 5);
  EXPECT_EQ(state.finished, 4);
  EXPECT_EQ(state.latest.what, "gradients: bucket 0");
}

TEST(ProgressWords, GoOnCountingWhereThe32BitsOfTheDeviceBeginAnew) {
  constexpr std::int64_t kLaunches = 1'500'000'000;  // 9e9 marks: wraps around twice
  auto word = std::make_shared<std::uint32_t>(0);
  base::ProgressWords words({{"a", 1}, {"b", 1}, {"c", 1}}, word);
  words.launching(kLaunches);
  *word = static_cast<std::uint32_t>(6 * kLaunches - 5);
  EXPECT_EQ(words.now().started, 3 * kLaunches - 2);
  EXPECT_EQ(words.now().finished, 3 * kLaunches - 3);
  EXPECT_EQ(words.now().latest.what, "a");
}

TEST(ProgressWords, AreOfSomeCollective) {
  EXPECT_THROW(base::ProgressWords({}, std::make_shared<std::uint32_t>(0)), std::invalid_argument);
}

TEST(CollectiveLog, CountsAndNamesWhatTheDeviceStartsByItself) {
  CollectiveLog log;
  {
    const auto eager = log.begin("gradients: bucket 0", 1024);
  }
  auto word = std::make_shared<std::uint32_t>(0);
  const auto words = std::make_shared<base::ProgressWords>(
      std::vector<base::ProgressWords::Collective>{{"gradients: statistics", 40},
                                                   {"gradients: bucket 0", 1024}},
      word);
  log.follow(words);
  words->launching();
  EXPECT_EQ(log.started(), 1);
  *word = 3;
  EXPECT_EQ(log.started(), 3);
  EXPECT_EQ(log.last_started(), "gradients: bucket 0");
  EXPECT_THAT(describe(log.entries()),
              HasSubstr("  #3 gradients: bucket 0, 1024 bytes: under way for "));

  // Collectives of the host get numbers after those of the device.
  {
    const auto flags = log.begin("flags: all-reduce", 16);
  }
  EXPECT_EQ(log.entries()[1].number, 4);
  EXPECT_EQ(log.last_started(), "gradients: bucket 0")
      << "the running collective is the one that hangs";
  *word = 4;
  EXPECT_EQ(log.started(), 4);
  EXPECT_EQ(log.last_started(), "flags: all-reduce");
  log.follow(nullptr);
  EXPECT_EQ(log.started(), 4) << "collectives that were started stay counted";
}

}  // namespace
}  // namespace vae_dist::comm
