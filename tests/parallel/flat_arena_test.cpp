#include "parallel/flat_arena.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace vae_dist::parallel {
namespace {

using testing::ElementsAre;

std::vector<ArenaSlot> three_slots(std::size_t element_bytes, bool channels_last = false) {
  std::vector<ArenaSlot> slots;
  append_slot(slots, "weight", {4, 3, 2, 5}, element_bytes, channels_last);
  append_slot(slots, "scalar", {}, element_bytes, channels_last);
  append_slot(slots, "matrix", {6, 7}, element_bytes, channels_last);
  return slots;
}

TEST(FlatArena, PutsEverySlotOnItsOwnMultipleOf256Bytes) {
  const auto wide = three_slots(8), narrow = three_slots(4);
  // 120 doubles end in the 4th block of 32 doubles, 120 floats in the 2nd block of 64 floats.
  EXPECT_EQ(wide[1].offset, 128);
  EXPECT_EQ(wide[2].offset, 160);
  EXPECT_EQ(narrow[1].offset, 128);
  EXPECT_EQ(narrow[2].offset, 192);
  EXPECT_EQ(wide[0].count, 120);
  EXPECT_EQ(wide[1].count, 1);
  EXPECT_EQ(wide[2].count, 42);

  for (const auto type : {at::kFloat, at::kDouble}) {
    const FlatArena arena(three_slots(type == at::kFloat ? 4 : 8), at::TensorOptions(type));
    const auto* start = static_cast<const char*>(arena.flat().data_ptr());
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ((static_cast<const char*>(arena.view(i).data_ptr()) - start) % 256, 0)
          << arena.slots()[i].name;
  }
}

TEST(FlatArena, EndsWithItsLastSlot) {
  EXPECT_EQ(FlatArena(three_slots(4), at::kFloat).flat().numel(), 192 + 42);
}

TEST(FlatArena, HoldsZerosInItsGapsWhateverTheViewsHold) {
  const FlatArena arena(three_slots(4), at::kFloat);
  for (std::size_t i = 0; i < 3; ++i) arena.view(i).fill_(7);
  EXPECT_EQ(arena.flat().count_nonzero().item<std::int64_t>(), 120 + 1 + 42);
  EXPECT_EQ(arena.flat().slice(0, 120, 128).count_nonzero().item<std::int64_t>(), 0);
  EXPECT_EQ(arena.flat().slice(0, 129, 192).count_nonzero().item<std::int64_t>(), 0);
}

TEST(FlatArena, SharesItsMemoryWithItsViews) {
  const FlatArena arena(three_slots(8), at::kDouble);
  arena.view(2)[1][3] = 5.0;
  EXPECT_EQ(arena.flat()[160 + 1 * 7 + 3].item<double>(), 5.0);
  arena.flat()[128] = -2.0;
  EXPECT_EQ(arena.view(1).item<double>(), -2.0);
  EXPECT_EQ(arena.view(1).dim(), 0);
}

TEST(FlatArena, StoresFourDimensionsAsNhwcWhereAsked) {
  const FlatArena contiguous(three_slots(8), at::kDouble),
      channels_last(three_slots(8, true), at::kDouble);
  EXPECT_THAT(contiguous.view(0).strides(), ElementsAre(30, 10, 5, 1));
  EXPECT_THAT(channels_last.view(0).strides(), ElementsAre(30, 1, 15, 3));
  EXPECT_TRUE(channels_last.view(0).is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_THAT(channels_last.view(2).strides(), ElementsAre(7, 1)) << "a matrix has no channels";

  const at::Tensor values = at::arange(120, at::kDouble).view({4, 3, 2, 5});
  channels_last.view(0).copy_(values);
  EXPECT_TRUE(channels_last.view(0).equal(values));
  EXPECT_TRUE(channels_last.flat().slice(0, 0, 120).equal(values.permute({0, 2, 3, 1}).flatten()));
}

TEST(FlatArena, LiesInTheMemoryThatItIsGiven) {
  at::Tensor given;
  const FlatArena arena(three_slots(4), at::kFloat,
                        [&](std::int64_t count, const at::TensorOptions& options) {
                          given = at::zeros({count + 100}, options);
                          return given.slice(0, 0, count);
                        });
  EXPECT_EQ(arena.flat().numel(), 192 + 42);
  arena.view(2).fill_(3);
  EXPECT_EQ(given.sum().item<double>(), 3.0 * 42);
}

TEST(FlatArena, MayBeEmpty) { EXPECT_EQ(FlatArena({}, at::kFloat).flat().numel(), 0); }

}  // namespace
}  // namespace vae_dist::parallel
