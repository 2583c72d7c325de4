#include "datasets/reading_advice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vae_dist::datasets {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ReadingAdvice advice(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& chunk,
                     const std::string& filters = "deflate(4)") {
  return reading_advice(chunk_facts(shape, chunk, 1), filters);
}

TEST(ReadingAdvice, OneImageOfDspritesLiesIn512Chunks) {
  const ChunkFacts facts = chunk_facts({737280, 64, 64}, {23040, 2, 4}, 1);
  EXPECT_EQ(facts.chunks_per_image, 512);
  EXPECT_EQ(facts.chunk_bytes, 184320);
  EXPECT_EQ(facts.bytes_for_one, 512 * 184320);
  const ReadingAdvice said = advice({737280, 64, 64}, {23040, 2, 4});
  EXPECT_TRUE(said.convert);
  EXPECT_THAT(said.reason, AllOf(HasSubstr("512 chunks of 23040 images"), HasSubstr("94 MB")));
}

TEST(ReadingAdvice, WholeImagesInMiddlingChunksAreGood) {
  EXPECT_FALSE(advice({20000, 64, 64, 3}, {64, 64, 64, 3}).convert);
  EXPECT_FALSE(
      advice({20000, 64, 64, 3}, {64, 64, 64, 3}, "shuffle, deflate(1), fletcher32").convert);
  EXPECT_FALSE(advice({20000, 64, 64, 3}, {}, "none").convert);
  EXPECT_FALSE(advice({3, 8, 8}, {3, 8, 8}).convert);  // small, but the whole dataset
}

TEST(ReadingAdvice, HugeTinyAndForeignChunksAreNot) {
  EXPECT_THAT(advice({20000, 64, 64, 3}, {20000, 64, 64, 3}).reason,
              HasSubstr("shuffled only among those"));
  EXPECT_THAT(advice({60000, 28, 28}, {1, 28, 28}).reason, HasSubstr("60000 chunks"));
  EXPECT_THAT(advice({60000, 28, 28}, {64, 28, 28}, "shuffle, lzf").reason, HasSubstr("'lzf'"));
  EXPECT_TRUE(advice({20000, 64, 64, 3}, {20000, 64, 64, 3}).convert &&
              advice({60000, 28, 28}, {1, 28, 28}).convert &&
              advice({60000, 28, 28}, {64, 28, 28}, "lzf").convert);
}

// A chunk may be wider than the dataset, and the last one of an axis cut off.
TEST(ReadingAdvice, CountsChunksAtTheEdges) {
  EXPECT_EQ(chunk_facts({10, 12, 9}, {50, 5, 4}, 2).chunks_per_image, 3 * 3);
  EXPECT_EQ(chunk_facts({10, 12, 9}, {50, 16, 16}, 2).chunks_per_image, 1);
}

}  // namespace
}  // namespace vae_dist::datasets
