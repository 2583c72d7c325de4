#include "device/progress_marks.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace vae_dist::device {
namespace {

TEST(ProgressMarks, CountOverAllRounds) {
  ProgressMarks marks(3, c10::kCPU);
  const std::shared_ptr<const std::uint32_t> word = marks.word();
  EXPECT_EQ(*word, 0u);
  std::uint32_t expected = 0;
  for (int round = 0; round < 4; ++round) {
    marks.begin();
    EXPECT_EQ(*word, expected) << "a round writes no mark before its first collective";
    for (int mark = 0; mark < 6; ++mark) {
      marks.pass();
      EXPECT_EQ(*word, ++expected) << "round " << round;
    }
  }
  EXPECT_THROW(marks.pass(), std::logic_error);
}

TEST(ProgressMarks, AreWhatProgressWordsRead) {
  auto marks = std::make_unique<ProgressMarks>(2, c10::kCPU);
  base::ProgressWords words({{"statistics", 8}, {"bucket 0", 16}}, marks->word());
  for (int round = 0; round < 3; ++round) {
    words.launching();
    marks->begin();
    for (int mark = 0; mark < 4; ++mark) {
      marks->pass();
      const base::ProgressWords::State state = words.now();
      EXPECT_EQ(state.started, 2 * round + mark / 2 + 1);
      EXPECT_EQ(state.is_under_way(), mark % 2 == 0);
      EXPECT_EQ(state.latest.what, mark < 2 ? "statistics" : "bucket 0");
    }
  }
  // The word lives as long as it has a reader.
  marks.reset();
  EXPECT_EQ(words.now().finished, 6);
}

}  // namespace
}  // namespace vae_dist::device
