// Tests the gate that keeps a learner's state where it is when a run is about to end.
#include "step/update_gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "../eventually.hpp"

namespace vae_dist::step {
namespace {

constexpr base::Seconds kHangs{600}, kBrief{0.05};

TEST(UpdateGate, KnowsTheStepBetweenChanges) {
  UpdateGate gate(c10::kCPU);
  gate.starts_after(40);
  gate.begin_change();
  gate.end_update(41);
  const auto closed = gate.close(kHangs);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->step, 41);
  EXPECT_FALSE(closed->averages_swapped);
}

TEST(UpdateGate, KnowsWhetherTheAveragesAreSwapped) {
  UpdateGate gate(c10::kCPU);
  gate.starts_after(40);
  gate.begin_change();
  gate.end_swap();
  EXPECT_TRUE(gate.close(kHangs)->averages_swapped);
  UpdateGate again(c10::kCPU);
  for (int i = 0; i < 2; ++i) {
    again.begin_change();
    again.end_swap();
  }
  EXPECT_FALSE(again.close(kHangs)->averages_swapped);
}

TEST(UpdateGate, WaitsForAnUpdateThatHasBegunAndLetsNoOtherBegin) {
  UpdateGate gate(c10::kCPU);
  gate.begin_change();
  std::atomic<bool> closing = false;
  auto* const began_another = new std::atomic<bool>(false);
  std::atomic<std::int64_t> closed_at = -1;
  std::thread closes([&] {
    closing = true;
    closed_at = gate.close(kHangs)->step;
  });
  ASSERT_TRUE(eventually([&] { return closing.load(); }));
  EXPECT_EQ(closed_at, -1);
  gate.end_update(1);
  closes.join();
  EXPECT_EQ(closed_at, 1);
  // Blocks for ever, so its thread and the gate are never destroyed.
  auto* const forever = new UpdateGate(c10::kCPU);
  EXPECT_TRUE(forever->close(kHangs));
  std::thread([forever, began_another] {
    forever->begin_change();
    *began_another = true;
  }).detach();
  std::this_thread::sleep_for(kBrief);
  EXPECT_FALSE(*began_another);
  EXPECT_EQ(forever->close(kHangs)->step, 0);
}

TEST(UpdateGate, HasNoStateWhileAnUpdateDoesNotEndNorAfterOneWasCutShort) {
  UpdateGate slow(c10::kCPU);
  slow.begin_change();
  EXPECT_FALSE(slow.close(kBrief));
  UpdateGate gate(c10::kCPU);
  gate.cut_short();  // an error in a forward pass changes nothing
  gate.begin_change();
  gate.cut_short();
  EXPECT_FALSE(gate.close(kHangs));
  UpdateGate between(c10::kCPU);
  between.cut_short();
  EXPECT_TRUE(between.close(kHangs));
}

TEST(UpdateGate, RemembersTheStateAfterEachOfTheLastChanges) {
  UpdateGate gate(c10::kCPU);
  gate.starts_after(7);
  for (std::int64_t step = 8; step <= 40; ++step) {
    gate.begin_change();
    gate.end_update(step);
  }
  EXPECT_EQ(gate.after(33)->step, 40);
  EXPECT_EQ(gate.after(30)->step, 37);
  EXPECT_FALSE(gate.after(34)) << "the device has not been given that many";
  EXPECT_FALSE(gate.after(2)) << "too long ago to be known";
}

// On the CPU marks are plain memory; on a GPU the same calls are copies in the order of its stream.
TEST(UpdateMarks, CountWhatHasBegunAndEnded) {
  device::UpdateMarks marks(c10::kCPU);
  EXPECT_EQ(marks.counts(), (device::UpdateMarks::Counts{0, 0}));
  marks.begin();
  EXPECT_EQ(marks.counts(), (device::UpdateMarks::Counts{1, 0}));
  marks.end();
  marks.begin();
  EXPECT_EQ(marks.counts(), (device::UpdateMarks::Counts{2, 1}));
}

}  // namespace
}  // namespace vae_dist::step
