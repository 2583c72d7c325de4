#include "datasets/read_picture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../temporary_folder.hpp"
#include "datasets/exif_orientation.hpp"
#include "picture_files.hpp"

namespace vae_dist::datasets {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint8_t kBlack = 0, kWhite = 255;

// A gentle slope, different in each channel: JPEG preserves it within a few levels, and all eight
// orientations of it differ.
plot::Picture slope(int height, int width, int channels) {
  plot::Picture out{height, width, channels, {}};
  for (int r = 0; r < height; ++r)
    for (int c = 0; c < width; ++c)
      for (int k = 0; k < channels; ++k)
        out.pixels.push_back(static_cast<std::uint8_t>(k == 0   ? 20 + 8 * r
                                                       : k == 1 ? 30 + 5 * c
                                                                : 200 - 4 * r - 3 * c));
  return out;
}

void expect_near(const plot::Picture& seen, const plot::Picture& expected, int tolerance) {
  ASSERT_EQ(seen.height, expected.height);
  ASSERT_EQ(seen.width, expected.width);
  ASSERT_EQ(seen.channels, expected.channels);
  ASSERT_EQ(seen.pixels.size(), expected.pixels.size());
  for (std::size_t i = 0; i < seen.pixels.size(); ++i)
    ASSERT_NEAR(seen.pixels[i], expected.pixels[i], tolerance) << "value " << i;
}

std::string reason(const Bytes& bytes) {
  try {
    decode_picture(bytes, kWhite);
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "not refused";
}

TEST(ReadPicture, JpegOfEveryKindGivesItsPixels) {
  const plot::Picture colour = slope(18, 22, 3), grey = slope(18, 22, 1);
  expect_near(decode_picture(jpeg_file(colour), kWhite), colour, 3);
  expect_near(decode_picture(jpeg_file(colour, {.progressive = true}), kWhite), colour, 3);
  expect_near(decode_picture(jpeg_file(colour, {.stored = JCS_RGB}), kWhite), colour, 2);
  expect_near(decode_picture(jpeg_file(grey), kWhite), grey, 2);
}

// libjpeg writes Adobe's marker for both. Adobe's programs store light instead of ink, so 255 means
// no ink.
TEST(ReadPicture, InkBecomesLight) {
  plot::Picture cmyk{16, 16, 4, {}}, expected{16, 16, 3, {}};
  for (int i = 0; i < 256; ++i) {
    for (const int value : {255, 128, 0, 200})
      cmyk.pixels.push_back(static_cast<std::uint8_t>(value));
    for (const int value : {200, 100, 0})
      expected.pixels.push_back(static_cast<std::uint8_t>(value));
  }
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK})
    expect_near(decode_picture(jpeg_file(cmyk, {.stored = stored}), kWhite), expected, 4);
}

TEST(ReadPicture, PngIsExact) {
  for (const int channels : {1, 3}) {
    const plot::Picture picture = slope(7, 5, channels);
    expect_near(decode_picture(png_file(picture), kWhite), picture, 0);
  }
  const plot::Picture picture = slope(9, 11, 3);
  std::vector<Bytes> rows;
  for (int r = 0; r < 9; ++r)
    rows.emplace_back(picture.pixels.begin() + r * 33, picture.pixels.begin() + (r + 1) * 33);
  expect_near(decode_picture(png_file(9, 11, rows, {.interlaced = true}), kWhite), picture, 0);
}

TEST(ReadPicture, FewBitsAreSpreadOverAllGreyLevels) {
  EXPECT_THAT(
      decode_picture(png_file(1, 8, {{0b10110010}}, {.colour = PNG_COLOR_TYPE_GRAY, .bits = 1}),
                     kWhite)
          .pixels,
      ElementsAre(255, 0, 255, 255, 0, 0, 255, 0));
  EXPECT_THAT(
      decode_picture(png_file(1, 4, {{0b00011011}}, {.colour = PNG_COLOR_TYPE_GRAY, .bits = 2}),
                     kWhite)
          .pixels,
      ElementsAre(0, 85, 170, 255));
  EXPECT_THAT(
      decode_picture(png_file(1, 2, {{0x5f}}, {.colour = PNG_COLOR_TYPE_GRAY, .bits = 4}), kWhite)
          .pixels,
      ElementsAre(85, 255));
}

TEST(ReadPicture, SixteenBitsAreRoundedToEight) {
  // 0x0080 / 257 is 0.498, 0x0081 / 257 is 0.502.
  const plot::Picture grey =
      decode_picture(png_file(1, 4, {{0xff, 0xff, 0x80, 0x80, 0x00, 0x80, 0x00, 0x81}},
                              {.colour = PNG_COLOR_TYPE_GRAY, .bits = 16}),
                     kWhite);
  EXPECT_EQ(grey.channels, 1);
  EXPECT_THAT(grey.pixels, ElementsAre(255, 128, 0, 1));
}

TEST(ReadPicture, PalettesAreLookedUp) {
  const PngOptions options{.colour = PNG_COLOR_TYPE_PALETTE,
                           .bits = 4,
                           .palette = {{10, 20, 30}, {40, 50, 60}, {70, 80, 90}}};
  EXPECT_THAT(decode_picture(png_file(1, 4, {{0x20, 0x12}}, options), kWhite).pixels,
              ElementsAre(70, 80, 90, 10, 20, 30, 40, 50, 60, 70, 80, 90));
}

TEST(ReadPicture, TransparencyIsLaidOverTheGround) {
  const Bytes rgba = png_file(1, 3, {{100, 0, 200, 255, 100, 0, 200, 0, 100, 0, 200, 51}},
                              {.colour = PNG_COLOR_TYPE_RGB_ALPHA});
  EXPECT_THAT(decode_picture(rgba, kWhite).pixels,
              ElementsAre(100, 0, 200, 255, 255, 255, 224, 204, 244));  // 51 is a fifth
  EXPECT_THAT(decode_picture(rgba, kBlack).pixels, ElementsAre(100, 0, 200, 0, 0, 0, 20, 0, 40));
  const plot::Picture grey = decode_picture(
      png_file(1, 2, {{100, 255, 100, 51}}, {.colour = PNG_COLOR_TYPE_GRAY_ALPHA}), kBlack);
  EXPECT_EQ(grey.channels, 1);
  EXPECT_THAT(grey.pixels, ElementsAre(100, 20));
  const PngOptions palette{.colour = PNG_COLOR_TYPE_PALETTE,
                           .palette = {{10, 20, 30}, {40, 50, 60}},
                           .palette_alpha = {0, 255}};
  EXPECT_THAT(decode_picture(png_file(1, 2, {{0, 1}}, palette), kWhite).pixels,
              ElementsAre(255, 255, 255, 40, 50, 60));
}

// EXIF 2.3: row 0 and column 0 of the stored picture are these sides of the displayed picture: 1
// top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8
// left bottom.
TEST(ExifOrientation, EachOfTheEightTurnsThePictureUpright) {
  const plot::Picture stored{2, 3, 1, {1, 2, 3, 4, 5, 6}};
  const std::vector<std::vector<int>> seen = {
      {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
      {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const plot::Picture turned = upright(stored, orientation);
    EXPECT_EQ(turned.height, orientation <= 4 ? 2 : 3);
    EXPECT_EQ(std::vector<int>(turned.pixels.begin(), turned.pixels.end()),
              seen[static_cast<std::size_t>(orientation - 1)])
        << orientation;
  }
}

TEST(ExifOrientation, IsReadFromBothKindsOfFile) {
  const plot::Picture picture = slope(10, 16, 3);
  for (const bool big_endian : {false, true}) {
    for (std::uint8_t orientation = 1; orientation <= 8; ++orientation) {
      const Bytes block = exif_block(orientation, big_endian);
      EXPECT_EQ(exif_orientation(block), orientation);
      Bytes segment = {'E', 'x', 'i', 'f', 0, 0};
      segment.insert(segment.end(), block.begin(), block.end());
      expect_near(decode_picture(jpeg_file(picture, {.exif = segment}), kWhite),
                  upright(picture, orientation), 3);
      const Bytes png = png_file(1, 2, {{7, 9}}, {.colour = PNG_COLOR_TYPE_GRAY, .exif = block});
      EXPECT_EQ(decode_picture(png, kWhite).pixels, upright({1, 2, 1, {7, 9}}, orientation).pixels)
          << int{orientation};
    }
  }
}

TEST(ExifOrientation, ADamagedNoteMeansUpright) {
  const Bytes block = exif_block(6, false);
  for (std::size_t size = 0; size < block.size() - 7; ++size)
    EXPECT_EQ(exif_orientation(std::span(block).first(size)), 1) << size;
  for (const std::uint8_t orientation : {0, 9, 255})
    EXPECT_EQ(exif_orientation(exif_block(orientation, true)), 1);
}

TEST(ReadPicture, WhatIsNoPictureIsRefused) {
  EXPECT_THAT(reason({}), HasSubstr("empty"));
  EXPECT_THAT(reason({'G', 'I', 'F', '8', '9', 'a'}), HasSubstr("neither JPEG nor PNG"));
  EXPECT_THAT(reason({0xff, 0xd8, 0xff, 0xe0}), HasSubstr("JPEG"));
}

// Truncation is an error anywhere; libjpeg alone would fill the missing part with grey.
TEST(ReadPicture, ATruncatedFileIsRefusedAtEveryLength) {
  const Bytes jpeg = jpeg_file(slope(24, 24, 3)), png = png_file(slope(24, 24, 3));
  for (std::size_t size = 3; size + 2 < jpeg.size(); ++size)
    ASSERT_THAT(reason({jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(size)}),
                HasSubstr("JPEG"))
        << size;
  for (std::size_t size = 8; size < png.size(); ++size)
    ASSERT_THAT(reason({png.begin(), png.begin() + static_cast<std::ptrdiff_t>(size)}),
                HasSubstr("PNG"))
        << size;
}

TEST(ReadPicture, AFlippedBitOfAPngIsFound) {
  const Bytes png = png_file(slope(24, 24, 3));
  for (std::size_t at = 8; at < png.size(); ++at) {
    Bytes flipped = png;
    flipped[at] ^= 0x10;
    ASSERT_THAT(reason(flipped), HasSubstr("PNG")) << at;
  }
}

TEST(ReadPicture, APictureThatPromisesTooManyPixelsIsRefused) {
  Bytes jpeg = jpeg_file(slope(24, 24, 3));
  for (std::size_t at = 0; at + 9 < jpeg.size(); ++at)
    if (jpeg[at] == 0xff && jpeg[at + 1] == 0xc0) {  // the frame header: height and width
      for (const std::size_t byte : {5, 7}) jpeg[at + byte] = 0x7f;
      break;
    }
  EXPECT_THAT(reason(jpeg), HasSubstr("more than the limit of 134217728"));
  const Bytes png = png_file(12000, 12000, std::vector<Bytes>(12000, Bytes(1500)),
                             {.colour = PNG_COLOR_TYPE_GRAY, .bits = 1});
  EXPECT_LT(png.size(), 100'000u);
  EXPECT_THAT(reason(png), HasSubstr("12000x12000"));
}

class ReadPictureFile : public TemporaryFolderTest {};

TEST_F(ReadPictureFile, ReadsByContentAndSaysWhyItCannot) {
  const Bytes png = png_file(slope(4, 4, 1));
  std::ofstream(path("a.jpg"), std::ios::binary)
      .write(reinterpret_cast<const char*>(png.data()), static_cast<std::streamsize>(png.size()));
  EXPECT_EQ(read_picture(path("a.jpg"), kWhite).pixels, slope(4, 4, 1).pixels);
  EXPECT_THAT(refusal([&] { read_picture(path("absent.jpg"), kWhite); }),
              HasSubstr("No such file"));
}

}  // namespace
}  // namespace vae_dist::datasets
