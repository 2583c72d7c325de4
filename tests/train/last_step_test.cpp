// Tests the state that the survivors of a failure save: the counts that follow from the optimizer.
#include "train/last_step.hpp"

#include <gtest/gtest.h>

namespace vae_dist::train {
namespace {

checkpoint::TrainingState state(std::int64_t step, std::int64_t taken, std::int64_t skipped) {
  checkpoint::TrainingState out;
  out.step = step;
  out.optimizer_step = taken;
  out.skipped_steps = skipped;
  return out;
}

TEST(SetStep, SaysWhichSamplesTheNextStepTakes) {
  checkpoint::TrainingState at;
  set_step(at, 23, /*steps_per_epoch=*/10, /*global_batch=*/8);
  EXPECT_EQ(at.step, 23);
  EXPECT_EQ(at.epoch, 2);
  EXPECT_EQ(at.position, 24);
  set_step(at, 30, 10, 8);
  EXPECT_EQ(at.epoch, 3);
  EXPECT_EQ(at.position, 0);
}

TEST(SetCounts, CountsAsSkippedWhatTheOptimizerHasNotCounted) {
  checkpoint::TrainingState at = state(57, 0, 0);
  set_counts(at, state(50, 45, 5), /*counted_at_start=*/45, /*counted=*/50);
  EXPECT_EQ(at.optimizer_step, 50);
  EXPECT_EQ(at.skipped_steps, 7);
}

TEST(SetCounts, LeavesOutWhatTheOptimizerCountedInAnotherRun) {
  checkpoint::TrainingState at = state(7, 0, 0);
  set_counts(at, state(0, 0, 0), /*counted_at_start=*/1000, /*counted=*/1006);
  EXPECT_EQ(at.optimizer_step, 6);
  EXPECT_EQ(at.skipped_steps, 1);
}

TEST(SetCounts, TakesNoStepForSkippedWhereTheOptimizersFloatCountsNoFurther) {
  constexpr std::int64_t kLast = 1 << 24;
  checkpoint::TrainingState at = state(kLast + 100, 0, 0);
  set_counts(at, state(kLast + 90, kLast + 88, 2), kLast, kLast);
  EXPECT_EQ(at.optimizer_step, kLast + 98);
  EXPECT_EQ(at.skipped_steps, 2);
}

}  // namespace
}  // namespace vae_dist::train
