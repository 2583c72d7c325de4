#include "datasets/fit_picture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

plot::Picture noise(int height, int width, int channels) {
  std::mt19937 random(1);
  plot::Picture out{height, width, channels,
                    std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels))};
  for (auto& value : out.pixels) value = static_cast<std::uint8_t>(random());
  return out;
}

// The definition: the integral of the picture, constant within each pixel, over the new pixel's
// area.
double mean_over_area(const plot::Picture& p, int height, int width, int row, int column,
                      int channel) {
  const double top = double(row) * p.height / height, bottom = double(row + 1) * p.height / height;
  const double left = double(column) * p.width / width,
               right = double(column + 1) * p.width / width;
  double sum = 0;
  for (int r = 0; r < p.height; ++r)
    for (int c = 0; c < p.width; ++c) {
      const double overlap = std::max(0.0, std::min(bottom, r + 1.0) - std::max(top, double(r))) *
                             std::max(0.0, std::min(right, c + 1.0) - std::max(left, double(c)));
      sum += overlap * p.pixels[static_cast<std::size_t>((r * p.width + c) * p.channels + channel)];
    }
  return sum / ((bottom - top) * (right - left));
}

TEST(Resized, EachPixelIsTheMeanOverItsArea) {
  for (const auto& [height, width] :
       {std::pair{5, 7}, {16, 16}, {1, 1}, {3, 20}, {40, 31}, {23, 8}}) {
    for (const int channels : {1, 3}) {
      const plot::Picture picture = noise(16, 23, channels), seen = resized(picture, height, width);
      ASSERT_EQ(seen.pixels.size(), static_cast<std::size_t>(height * width * channels));
      for (int r = 0, i = 0; r < height; ++r)
        for (int c = 0; c < width; ++c)
          for (int k = 0; k < channels; ++k, ++i)
            ASSERT_NEAR(seen.pixels[static_cast<std::size_t>(i)],
                        mean_over_area(picture, height, width, r, c, k), 0.5 + 1e-9)
                << height << "x" << width << ": " << r << ", " << c;
    }
  }
}

TEST(Resized, WholeBlocksAreAveragedAndRoundedHalfUp) {
  EXPECT_THAT(resized({2, 4, 1, {1, 2, 10, 10, 3, 4, 10, 13}}, 1, 2).pixels,
              ElementsAre(3, 11));  // 2.5 and 10.75
  EXPECT_THAT(resized({1, 2, 1, {0, 255}}, 1, 4).pixels, ElementsAre(0, 0, 255, 255));
  EXPECT_EQ(resized({999, 1001, 1, std::vector<std::uint8_t>(999 * 1001, 255)}, 64, 64).pixels,
            std::vector<std::uint8_t>(64 * 64, 255));
}

TEST(FitPicture, CropsFromTheMiddle) {
  const plot::Picture wide{2, 5, 1, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}};
  EXPECT_THAT(fit_picture(wide, {.crop = Crop::parse("centre"), .grey = true}).pixels,
              ElementsAre(1, 2, 6, 7));
  EXPECT_THAT(fit_picture(wide, {.crop = Crop::parse("1"), .grey = true}).pixels, ElementsAre(2));
  EXPECT_EQ(fit_picture(wide, {.crop = Crop::parse("none"), .grey = true}).pixels, wide.pixels);
  const plot::Picture squeezed =
      fit_picture(wide, {.size = 1, .crop = Crop::parse("none"), .grey = true});
  EXPECT_THAT(squeezed.pixels, ElementsAre(5));  // 4.5
}

TEST(FitPicture, BringsAllToTheWantedChannels) {
  EXPECT_THAT(fit_picture({1, 1, 1, {7}}, {}).pixels, ElementsAre(7, 7, 7));
  EXPECT_THAT(fit_picture({1, 2, 3, {255, 255, 255, 0, 0, 0}}, {.crop = {}, .grey = true}).pixels,
              ElementsAre(255, 0));
  EXPECT_THAT(
      fit_picture({1, 3, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255}}, {.crop = {}, .grey = true}).pixels,
      ElementsAre(76, 150, 29));  // 76.2, 149.7, 29.1
}

TEST(FitPicture, RefusesAPictureThatIsSmallerThanTheCrop) {
  try {
    fit_picture(noise(4, 9, 3), {.crop = Crop::parse("5")});
    FAIL();
  } catch (const base::BadInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("4x9"));
  }
}

TEST(Crop, RefusesWhatItDoesNotKnow) {
  for (const char* wrong : {"", "middle", "0", "-3", "12px", "99999999999"})
    EXPECT_THROW(Crop::parse(wrong), base::BadInput) << wrong;
}

}  // namespace
}  // namespace vae_dist::datasets
