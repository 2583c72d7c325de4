#include "evaluate/tiles.hpp"

#include <gmock/gmock.h>

#include <map>

namespace vae_dist::evaluate {
namespace {

using testing::ElementsAre;

TEST(Tiles, LieSideBySideAndTheLastIsMovedInwards) {
  const std::vector<Tile> tiles = tiles_of({11}, {4});
  ASSERT_EQ(tiles.size(), 3U);
  EXPECT_THAT(tiles[0].window.first, ElementsAre(0));
  EXPECT_THAT(tiles[1].window.first, ElementsAre(4));
  EXPECT_THAT(tiles[2].window.first, ElementsAre(7));
  // 7 belongs to both of the last two, and is as near to the middle of either: 5.5 and 8.5.
  EXPECT_THAT(tiles[1].kept.size, ElementsAre(4));
  EXPECT_THAT(tiles[2].kept.first, ElementsAre(8));
  EXPECT_THAT(tiles[2].kept.size, ElementsAre(3));
}

TEST(Tiles, AreOneWhereTheSampleIsOne) {
  const std::vector<Tile> tiles = tiles_of({5, 6}, {5, 6});
  ASSERT_EQ(tiles.size(), 1U);
  EXPECT_THAT(tiles[0].kept.first, ElementsAre(0, 0));
  EXPECT_THAT(tiles[0].kept.size, ElementsAre(5, 6));
}

TEST(Tiles, KeepEveryValueOnceAndThatOfTheNearestMiddle) {
  for (std::int64_t space = 1; space <= 40; ++space)
    for (std::int64_t size = 1; size <= space; ++size) {
      std::map<std::int64_t, std::int64_t> doubled_distance;
      const std::vector<Tile> tiles = tiles_of({space}, {size});
      const auto distance = [&](const Tile& tile, std::int64_t i) {
        return std::abs(2 * i - (2 * tile.window.first[0] + size - 1));
      };
      for (const Tile& tile : tiles)
        for (std::int64_t i = 0; i < tile.kept.size[0]; ++i) {
          const std::int64_t at = tile.kept.first[0] + i;
          ASSERT_GE(at, tile.window.first[0]);
          ASSERT_LT(at, tile.window.first[0] + size);
          ASSERT_TRUE(doubled_distance.emplace(at, distance(tile, at)).second);
        }
      ASSERT_EQ(static_cast<std::int64_t>(doubled_distance.size()), space);
      for (const auto& [at, kept] : doubled_distance)
        for (const Tile& tile : tiles) ASSERT_GE(distance(tile, at), kept);
    }
}

TEST(Tiles, OfVolumesAreAllCombinations) { EXPECT_EQ(tiles_of({7, 8, 9}, {4, 6, 5}).size(), 8U); }

}  // namespace
}  // namespace vae_dist::evaluate
