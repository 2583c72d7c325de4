#include "parallel/bucket_plan.hpp"

#include <gtest/gtest.h>

namespace vae_dist::parallel {
namespace {

std::vector<ArenaSlot> slots_of(const std::vector<std::int64_t>& counts) {
  std::vector<ArenaSlot> slots;
  for (const std::int64_t count : counts) append_slot(slots, "tensor", {count}, sizeof(float));
  return slots;
}

TEST(BucketPlan, HoldsEveryTensorOnceFromTheLastToTheFirst) {
  const auto slots = slots_of({100, 7, 5000, 64, 64, 1, 300});
  const auto buckets = plan_buckets(slots, sizeof(float), {.first_bytes = 1000, .bytes = 4000});
  std::size_t expected_last = slots.size();
  for (const Bucket& bucket : buckets) {
    EXPECT_EQ(bucket.last_slot, expected_last);
    EXPECT_LT(bucket.first_slot, bucket.last_slot);
    expected_last = bucket.first_slot;
  }
  EXPECT_EQ(expected_last, 0U);
}

TEST(BucketPlan, CoversTheWholeArenaWithoutOverlap) {
  const auto slots = slots_of({100, 7, 5000, 64, 64, 1, 300});
  std::int64_t end = slots.back().offset + slots.back().count;
  for (const Bucket& bucket :
       plan_buckets(slots, sizeof(float), {.first_bytes = 1000, .bytes = 4000})) {
    EXPECT_LE(bucket.offset + bucket.count, end);  // the gap between two buckets is padding
    EXPECT_LT(end - (bucket.offset + bucket.count), kArenaAlignmentBytes / 4);
    end = bucket.offset;
  }
  EXPECT_EQ(end, 0);
}

TEST(BucketPlan, ClosesTheFirstBucketEarlierThanTheOthers) {
  // 64 floats are 256 bytes: no gaps.
  const auto buckets = plan_buckets(slots_of(std::vector<std::int64_t>(12, 64)), sizeof(float),
                                    {.first_bytes = 512, .bytes = 1024});
  ASSERT_EQ(buckets.size(), 4U);
  EXPECT_EQ(buckets[0].count, 2 * 64);
  EXPECT_EQ(buckets[1].count, 4 * 64);
  EXPECT_EQ(buckets[2].count, 4 * 64);
  EXPECT_EQ(buckets[3].count, 2 * 64);  // the remaining tensors
}

TEST(BucketPlan, LeavesLittleForTheEndOfBackward) {
  // The first and the last bucket hold 512 bytes each, although a single bucket could hold all
  // tensors after the first bucket.
  const auto buckets = plan_buckets(slots_of(std::vector<std::int64_t>(12, 64)), sizeof(float),
                                    {.first_bytes = 512, .bytes = 1 << 20});
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[0].first_slot, 10U);
  EXPECT_EQ(buckets[1].first_slot, 2U);
  EXPECT_EQ(buckets[1].count, 8 * 64);
  EXPECT_EQ(buckets[2].last_slot, 2U);
  EXPECT_EQ(buckets[2].count, 2 * 64);
}

TEST(BucketPlan, SendsTheFirstTensorAloneWhereItIsLargerThanTheLastBucketMayBe) {
  const auto buckets = plan_buckets(slots_of({100000, 64, 64, 64}), sizeof(float),
                                    {.first_bytes = 256, .bytes = 1 << 20});
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[2].last_slot, 1U);
  EXPECT_EQ(buckets[2].count, 100000);
}

// VanillaVAE 64x64x3: the weights of its convolutions and linear layers in registration order.
TEST(BucketPlan, SendsMostOfVanillaVaeBeforeItsFirstLayersAreThrough) {
  const std::vector<std::int64_t> counts = {864,    18432,  73728,  294912,  1179648,
                                            262144, 262144, 262144, 1179648, 294912,
                                            73728,  18432,  9216,   864};
  const auto buckets = plan_buckets(slots_of(counts), sizeof(float), {});
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[0].first_slot, 9U);
  EXPECT_EQ(buckets[1].first_slot, 3U);
  EXPECT_EQ(buckets[2].count, 864 + 32 + 18432 + 73728) << "32 of padding";
}

TEST(BucketPlan, NeverSplitsATensorThatIsLargerThanTheCap) {
  const auto buckets =
      plan_buckets(slots_of({64, 100000, 64}), sizeof(float), {.first_bytes = 1, .bytes = 1});
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[1].count, 100000);
}

TEST(BucketPlan, PutsASmallModelIntoOneBucket) {
  const auto buckets = plan_buckets(slots_of({10, 20, 30}), sizeof(float), {});
  ASSERT_EQ(buckets.size(), 1U);
  EXPECT_EQ(buckets[0].first_slot, 0U);
  EXPECT_EQ(buckets[0].last_slot, 3U);
}

}  // namespace
}  // namespace vae_dist::parallel
