// The tests read the PNG back with cairo and check it pixel by pixel.
#include "report/picture_files.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "../plot/read_png.hpp"
#include "base/text.hpp"

namespace vae_dist::report {
namespace {

using plot::ColourMap;
using plot::Pixel;

class PictureFiles : public ::testing::Test {
 protected:
  ~PictureFiles() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                base::text("picture_files_test_", ::getpid(), ".png");
};

Pixel pixel(ColourMap map, double t) {
  const plot::Rgb colour = plot::colour_at(map, t);
  return {colour.red, colour.green, colour.blue};
}

// Two dimensions with three steps each. Every step is a constant.
evaluate::Traversals walks(const std::vector<std::int64_t>& sample) {
  evaluate::Traversals out;
  out.dimensions = {4, 1};
  out.weights = {2, 1};
  out.positions = {-3, 0, 3};
  std::vector<std::int64_t> sizes = {2, 3};
  sizes.insert(sizes.end(), sample.begin(), sample.end());
  out.images = at::empty(sizes);
  for (std::int64_t walk = 0; walk < 2; ++walk)
    for (std::int64_t step = 0; step < 3; ++step)
      out.images[walk][step].fill_(static_cast<double>((walk + 1) * (step - 1)));
  return out;
}

TEST_F(PictureFiles, ShowEachStepOfAFieldsTraversalInItsColour) {
  write_traversal_grid(path_, walks({1, 2, 2}), {}, "");
  const plot::Png png(path_);
  // Values from -2 to 2. A panel has 104 pixels; the subtitle and the labels of the columns take 63
  // above them. Panels end 16 pixels before the right edge.
  const auto at = [&](int row, int steps_from_the_end) {
    return png.at(png.width() - 16 - 52 - 108 * steps_from_the_end, 63 + 52 + 114 * row);
  };
  EXPECT_EQ(at(0, 2), pixel(ColourMap::diverging, 0.25));
  EXPECT_EQ(at(0, 1), pixel(ColourMap::diverging, 0.5));
  EXPECT_EQ(at(0, 0), pixel(ColourMap::diverging, 0.75));
  EXPECT_EQ(at(1, 2), pixel(ColourMap::diverging, 0));
  EXPECT_EQ(at(1, 0), pixel(ColourMap::diverging, 1));
}

TEST_F(PictureFiles, ShowTheStepsOfACurvesTraversalOverEachOther) {
  write_traversal_grid(path_, walks({1, 5}), {}, "");
  const plot::Png png(path_);
  // The name of the channel is empty, so the panel of 840 x 72 begins 48 below the edge. Its range
  // is a little more than -1 to 1: the lines lie at 4.5, 50 and 95.5 % of its height.
  const auto near = [&](double share) {
    for (int y = -3; y <= 3; ++y)
      if (png.at(png.width() - 16 - 420, 48 + static_cast<int>(72 * share) + y) != plot::kWhite)
        return true;
    return false;
  };
  EXPECT_TRUE(near(0.045));
  EXPECT_TRUE(near(0.5));
  EXPECT_TRUE(near(0.955));
  EXPECT_FALSE(near(0.27));
}

TEST_F(PictureFiles, LeaveImagesAsTheyAre) {
  evaluate::Traversals grey = walks({1, 2, 2});
  grey.images.add_(2).div_(4);
  write_traversal_grid(path_, grey, showing_of(nullptr, 0, 1, {}), "");
  const plot::Png png(path_);
  for (int y = 0; y < png.height(); ++y)
    for (int x = 0; x < png.width(); ++x) {
      const Pixel seen = png.at(x, y);
      ASSERT_TRUE(seen[0] == seen[1] && seen[1] == seen[2]) << x << ", " << y;
    }
}

}  // namespace
}  // namespace vae_dist::report
