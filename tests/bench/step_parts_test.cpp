#include "bench/step_parts.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "step/step_range.hpp"

namespace vae_dist::bench {
namespace {

using std::chrono::milliseconds;

void work(const char* name, milliseconds time) {
  const step::StepRange range(name);
  std::this_thread::sleep_for(time);
}

TEST(StepParts, AddsUpEachRangesTime) {
  StepParts parts(c10::kCPU);
  for (int step = 0; step < 3; ++step) {
    work("forward", milliseconds(4));
    work("backward", milliseconds(8));
  }
  const auto seconds = parts.take();
  ASSERT_EQ(seconds.size(), 2U);
  EXPECT_GE(seconds.at("forward"), 3 * 0.004);
  EXPECT_GE(seconds.at("backward"), 3 * 0.008);
  EXPECT_TRUE(parts.take().empty());
}

TEST(StepParts, OfOtherThreadsCountToo) {
  StepParts parts(c10::kCPU);
  std::thread(work, "exchange", milliseconds(4)).join();
  EXPECT_GE(parts.take().at("exchange"), 0.004);
}

TEST(StepParts, SeesNothingOutsideAndIsOneAtATime) {
  work("forward", milliseconds(1));
  StepParts parts(c10::kCPU);
  EXPECT_TRUE(parts.take().empty());
  EXPECT_THROW(StepParts(c10::kCPU), std::logic_error);
}

}  // namespace
}  // namespace vae_dist::bench
