// The tests read the PNG back with cairo and check it pixel by pixel.
#include "plot/image_grid.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "read_png.hpp"

namespace vae_dist::plot {
namespace {

using ::testing::HasSubstr;

Picture plain(int height, int width, std::vector<std::uint8_t> colour) {
  Picture picture{height, width, static_cast<int>(colour.size()), {}};
  for (int i = 0; i < height * width; ++i)
    picture.pixels.insert(picture.pixels.end(), colour.begin(), colour.end());
  return picture;
}

class ImageGrid : public ::testing::Test {
 protected:
  ~ImageGrid() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / base::text("image_grid_test_", ::getpid(), ".png");
};

TEST_F(ImageGrid, ShowsEveryPixelAsASquareOfItsOwnColour) {
  // The left half is red, the right half blue, and the last corner has a pixel of its own; 40x40 is
  // magnified twice.
  Picture picture = plain(40, 40, {200, 0, 10});
  for (int y = 0; y < 40; ++y) {
    for (int x = 20; x < 40; ++x) {
      picture.pixels[(y * 40 + x) * 3] = 0;
      picture.pixels[(y * 40 + x) * 3 + 2] = 250;
    }
  }
  picture.pixels[(39 * 40 + 39) * 3 + 1] = 99;
  write_image_grid(path_, std::vector{picture}, {});
  const Png png(path_);
  ASSERT_EQ(png.width(), 16 + 80 + 16);
  ASSERT_EQ(png.height(), 16 + 80 + 16);
  EXPECT_EQ(png.at(16, 16), (Pixel{200, 0, 10}));
  EXPECT_EQ(png.at(55, 50), (Pixel{200, 0, 10}));
  EXPECT_EQ(png.at(56, 50), (Pixel{0, 0, 250}));
  EXPECT_EQ(png.at(95, 95), (Pixel{0, 99, 250}));
  EXPECT_EQ(png.at(94, 94), (Pixel{0, 99, 250}));
  EXPECT_EQ(png.at(93, 95), (Pixel{0, 0, 250}));
}

TEST_F(ImageGrid, ShowsFourChannelsAsColoursOverAChequerboard) {
  // The left half is opaque, the right half transparent; at 80x80, the squares have 10 pixels.
  Picture picture = plain(80, 80, {200, 100, 50, 255});
  for (int y = 0; y < 80; ++y)
    for (int x = 40; x < 80; ++x) picture.pixels[(y * 80 + x) * 4 + 3] = 0;
  picture.pixels[3] = 51;  // a fifth
  write_image_grid(path_, std::vector{picture}, {});
  const Png png(path_);
  EXPECT_EQ(png.at(16 + 20, 16 + 20), (Pixel{200, 100, 50}));
  EXPECT_EQ(png.at(16, 16), (Pixel{244, 224, 214}));
  EXPECT_EQ(png.at(16 + 45, 16 + 5), (Pixel{255, 255, 255}));
  EXPECT_EQ(png.at(16 + 55, 16 + 5), (Pixel{204, 204, 204}));
  EXPECT_EQ(png.at(16 + 45, 16 + 15), (Pixel{204, 204, 204}));
}

TEST_F(ImageGrid, ShowsAnyOtherNumberOfChannelsBesideEachOther) {
  // Five channels of 26x26 are arranged as three above two, with lines between them: 80x53, not
  // magnified.
  write_image_grid(path_, std::vector(2, plain(26, 26, {10, 20, 30, 40, 50})), {});
  const Png png(path_);
  ASSERT_EQ(png.width(), 16 + 2 * 80 + 4 + 16);
  ASSERT_EQ(png.height(), 16 + 53 + 16);
  const std::array<std::array<int, 3>, 5> seen = {
      {{0, 0, 10}, {27, 0, 20}, {54, 25, 30}, {0, 27, 40}, {52, 52, 50}}};
  for (const int left : {16, 16 + 84})
    for (const auto& [x, y, grey] : seen)
      EXPECT_EQ(png.at(left + x, 16 + y), (Pixel{grey, grey, grey})) << x << ", " << y;
  EXPECT_EQ(png.at(16 + 26, 16 + 3), (Pixel{217, 217, 217})) << "a line";
  EXPECT_EQ(png.at(16 + 70, 16 + 40), (Pixel{217, 217, 217})) << "there is no sixth channel";
  for (const int channels : {2, 7, 200}) {
    std::vector<std::uint8_t> colour(static_cast<std::size_t>(channels), 77);
    EXPECT_NO_THROW(write_image_grid(path_, std::vector{plain(5, 3, colour)}, {})) << channels;
  }
}

TEST_F(ImageGrid, ShrinksPicturesThatWouldMakeItTooLargeToDraw) {
  // 8 pictures of 5000 pixels are 40,032 wide side by side, so each pixel becomes the mean of 3x3,
  // the last one of the remaining pixels.
  Picture wide = plain(3, 5000, {100});
  wide.pixels[0] = 190;
  wide.pixels[4999] = 150;
  write_image_grid(path_, std::vector(8, wide), {});
  const Png png(path_);
  EXPECT_EQ(png.width(), 16 + 8 * 1667 + 7 * 4 + 16);
  EXPECT_EQ(png.at(16, 16), (Pixel{110, 110, 110}));
  EXPECT_EQ(png.at(16 + 1, 16), (Pixel{100, 100, 100}));
  EXPECT_EQ(png.at(16 + 1666, 16), (Pixel{108, 108, 108}));
}

TEST_F(ImageGrid, FillsRowByRowAndLeavesTheRestOfTheLastRowWhite) {
  std::vector<Picture> pictures;
  for (int i = 0; i < 5; ++i)
    pictures.push_back(plain(80, 80, {static_cast<std::uint8_t>(10 * i)}));
  write_image_grid(path_, pictures, {.columns = 3});
  const Png png(path_);
  const auto centre = [&](int column, int row) {
    return png.at(16 + column * 84 + 40, 16 + row * 84 + 40);
  };
  EXPECT_EQ(centre(0, 0), (Pixel{0, 0, 0}));
  EXPECT_EQ(centre(2, 0), (Pixel{20, 20, 20}));
  EXPECT_EQ(centre(0, 1), (Pixel{30, 30, 30}));
  EXPECT_EQ(centre(1, 1), (Pixel{40, 40, 40}));
  EXPECT_EQ(centre(2, 1), kWhite);
}

TEST_F(ImageGrid, FramesWhitePicturesSoThatTheyShowOnWhite) {
  write_image_grid(path_, std::vector{plain(80, 80, {255})}, {});
  EXPECT_NE(Png(path_).at(15, 50), kWhite);
}

TEST_F(ImageGrid, PutsTitleAndLabelsWhereTheyBelongAndMakesRoomForThem) {
  const std::vector<Picture> pictures(4, plain(80, 80, {0}));
  write_image_grid(path_, pictures, {.columns = 2});
  const Png bare(path_);
  write_image_grid(
      path_, pictures,
      {.title = "Title", .row_labels = {"input"}, .column_labels = {"", "mu"}, .columns = 2});
  const Png labelled(path_);
  ASSERT_GT(labelled.width(), bare.width());
  ASSERT_GT(labelled.height(), bare.height());
  const int left = labelled.width() - 16 - 164, top = labelled.height() - 16 - 164;
  EXPECT_TRUE(labelled.has_ink(16, 16, left, 34)) << "title";
  EXPECT_TRUE(labelled.has_ink(16, top, left - 2, top + 80)) << "label of row 0";
  EXPECT_FALSE(labelled.has_ink(16, top + 84, left - 2, top + 164)) << "row 1 has none";
  EXPECT_FALSE(labelled.has_ink(left, 40, left + 80, top - 2)) << "column 0 has none";
  EXPECT_TRUE(labelled.has_ink(left + 84, 40, left + 164, top - 2)) << "label of column 1";
}

TEST_F(ImageGrid, SetsBlocksOfRowsApartUnderTheirHeadings) {
  const std::vector<Picture> pictures(6, plain(80, 80, {0}));
  write_image_grid(path_, pictures,
                   {.columns = 2, .blocks = {{"first run", 2}, {"second run", 1}}});
  const Png png(path_);
  // A heading takes 20 pixels, a gap between blocks 12.
  ASSERT_EQ(png.height(), 16 + 20 + 84 + 84 + 12 + 20 + 80 + 16);
  EXPECT_TRUE(png.has_ink(16, 16, 100, 34)) << "first heading";
  EXPECT_EQ(png.at(50, 36), (Pixel{0, 0, 0}));
  EXPECT_EQ(png.at(50, 36 + 84 + 79), (Pixel{0, 0, 0}));
  EXPECT_FALSE(png.has_ink(16, 36 + 84 + 82, 100, 36 + 168 + 10)) << "the gap";
  EXPECT_TRUE(png.has_ink(16, 36 + 168 + 12, 100, 36 + 168 + 30)) << "second heading";
  EXPECT_EQ(png.at(50, 36 + 168 + 32), (Pixel{0, 0, 0}));
}

TEST_F(ImageGrid, MakesRoomForLongRowLabels) {
  const std::vector<Picture> pictures(14, plain(28, 28, {100}));
  const GridOptions options{.title = "traversal",
                            .row_labels = {"z12  KL 3.4 nats", "z3  KL 0.02 nats"},
                            .column_labels = {"−3 σ", "−2 σ", "−1 σ", "0", "1 σ", "2 σ", "3 σ"},
                            .columns = 7};
  write_image_grid(path_, pictures, options);
  const Png png(path_);
  const int left = png.width() - 16 - 7 * 88 + 4, top = png.height() - 16 - 2 * 88 + 4;
  EXPECT_GT(left, 100);
  EXPECT_EQ(png.at(left, top), (Pixel{100, 100, 100}));
  EXPECT_FALSE(png.has_ink(0, 0, 15, png.height())) << "the left margin stays free";
  for (int column = 0; column < 7; ++column)
    EXPECT_TRUE(png.has_ink(left + column * 88 + 20, top - 20, left + column * 88 + 64, top - 2))
        << column;
}

TEST_F(ImageGrid, GivesTheSameBytesInMemoryAsInAFile) {
  const std::vector<Picture> pictures{plain(8, 8, {1, 2, 3})};
  write_image_grid(path_, pictures, {.title = "grid"});
  EXPECT_EQ(image_grid_png(pictures, {.title = "grid"}), base::read_file(path_));
}

TEST_F(ImageGrid, IsWideEnoughForALongTitle) {
  write_image_grid(path_, std::vector{plain(80, 80, {0})},
                   {.title = "A title that is much longer than the only picture"});
  const Png png(path_);
  EXPECT_GT(png.width(), 300);
  EXPECT_FALSE(png.has_ink(png.width() - 15, 0, png.width(), png.height()))
      << "the right margin stays free";
}

TEST_F(ImageGrid, WritesALabelThatIsNoUtf8WithEscapes) {
  const std::vector<Picture> pictures(1, plain(8, 8, {100}));
  EXPECT_EQ(
      image_grid_png(pictures, {.title = "caf\xe9", .row_labels = {"\xff"}, .columns = 1}),
      image_grid_png(pictures, {.title = R"(caf\xe9)", .row_labels = {R"(\xff)"}, .columns = 1}));
}

TEST(GridMagnification, MakesSmallPicturesEasyToSeeAndLeavesLargeOnesAlone) {
  EXPECT_EQ(grid_magnification(28, 28), 3);
  EXPECT_EQ(grid_magnification(32, 32), 3);
  EXPECT_EQ(grid_magnification(64, 64), 1);
  EXPECT_EQ(grid_magnification(128, 128), 1);
  EXPECT_EQ(grid_magnification(1000, 10), 1);
  for (int size = 1; size <= 107; ++size) {
    EXPECT_GE(size * grid_magnification(size, 1), 54) << size;
    EXPECT_LE(size * grid_magnification(1, size), 107) << size;
  }
}

TEST_F(ImageGrid, RefusesWhatItCannotDraw) {
  const auto message = [&](const std::vector<Picture>& pictures,
                           const GridOptions& options = {}) -> std::string {
    try {
      write_image_grid(path_, pictures, options);
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "drawn";
  };
  EXPECT_THAT(message({}), HasSubstr("at least one picture"));
  EXPECT_THAT(message({plain(4, 4, {1}), plain(4, 5, {1})}),
              HasSubstr("the first is 4x4x1, number 1 is 4x5x1"));
  EXPECT_THAT(message({plain(4, 4, {})}), HasSubstr("at least one pixel and channel, not 4x4x0"));
  EXPECT_THAT(message({Picture{4, 4, 1, {0}}}), HasSubstr("holds 1 values, not 16"));
  EXPECT_THAT(message({plain(4, 4, {1})}, {.blocks = {{"a", 2}}}),
              HasSubstr("of 1 rows cannot be divided into blocks that have 2 rows"));
  EXPECT_THAT(message({plain(4, 4, {1})}, {.blocks = {{"a", 1}, {"b", 0}}}),
              HasSubstr("\"b\" has 0"));
  EXPECT_THAT(message({plain(4, 4, {1})}, {.columns = 0}), HasSubstr("at least one column"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ImageGrid, SaysWhereItCouldNotWrite) {
  EXPECT_THROW(write_image_grid("/nonexistent/grid.png", std::vector{plain(4, 4, {1})}, {}),
               base::Failure);
}

}  // namespace
}  // namespace vae_dist::plot
