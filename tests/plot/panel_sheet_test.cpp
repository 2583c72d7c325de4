// The tests read the PNG back with cairo and check it pixel by pixel.
#include "plot/panel_sheet.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"
#include "read_png.hpp"

namespace vae_dist::plot {
namespace {

using ::testing::HasSubstr;

constexpr Pixel kRed{200, 30, 30}, kBlue{20, 40, 180};

Pixel pixel(Rgb colour) { return {colour.red, colour.green, colour.blue}; }

Panel filled(int height, int width, Pixel colour, int magnification = 1) {
  Panel out;
  out.picture = {height, width, 3, {}};
  for (int i = 0; i < height * width; ++i)
    for (const int component : colour)
      out.picture.pixels.push_back(static_cast<std::uint8_t>(component));
  out.magnification = magnification;
  return out;
}

Panel frame(Range x, Range y) {
  Panel out;
  out.width = 100;
  out.height = 80;
  out.x = x;
  out.y = y;
  return out;
}

class Sheet : public ::testing::Test {
 protected:
  ~Sheet() override { std::filesystem::remove(path_); }
  Png drawn(const PanelSheet& sheet) {
    write_panel_sheet(path_, sheet);
    return Png(path_);
  }
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / base::text("panel_sheet_test_", ::getpid(), ".png");
};

TEST_F(Sheet, PlacesPanelsOfDifferentSizesInRowsAndColumns) {
  PanelSection section{.columns = 2,
                       .panels = {filled(10, 20, kRed, 2), filled(30, 30, kBlue),
                                  filled(5, 10, kBlue), filled(5, 30, kRed)}};
  const Png png = drawn({.sections = {section}});
  // 16 around, 4 between columns, 10 between rows.
  ASSERT_EQ(png.width(), 16 + 40 + 4 + 30 + 16);
  ASSERT_EQ(png.height(), 16 + 30 + 10 + 5 + 16);
  EXPECT_EQ(png.at(16, 16), kRed);
  EXPECT_EQ(png.at(55, 35), kRed);
  EXPECT_EQ(png.at(60, 45), kBlue);
  EXPECT_EQ(png.at(16, 56), kBlue);
  EXPECT_EQ(png.at(89, 60), kRed);
  EXPECT_EQ(png.at(50, 58), kWhite) << "beside the smaller panel";
}

TEST_F(Sheet, SetsGroupsOfColumnsApartUnderTheirNames) {
  PanelSection section{.columns = 3, .panels = std::vector(3, filled(40, 40, kRed))};
  const Png plain = drawn({.sections = {section}});
  section.groups = {{"density", 2}, {"u", 1}};
  const Png grouped = drawn({.sections = {section}});
  EXPECT_EQ(grouped.width(), plain.width() + 10);
  EXPECT_EQ(grouped.height(), plain.height() + 18);
  EXPECT_TRUE(grouped.has_ink(16, 16, 16 + 84, 32)) << "name of the first two columns";
  EXPECT_FALSE(grouped.has_ink(16 + 85, 16, 16 + 98, 32)) << "the gap";
  EXPECT_TRUE(grouped.has_ink(16 + 98, 16, 16 + 138, 32)) << "name of the last column";
}

TEST_F(Sheet, DrawsCurvesWhereTheirValuesAre) {
  Panel panel = frame({0, 4}, {0, 8});
  // A horizontal line at half the height, with a gap of one value.
  panel.curves = {{{4, 4, std::nan(""), 4, 4}, {200, 0, 0}, 3}};
  const Png png = drawn({.sections = {{.panels = {panel}}}});
  EXPECT_EQ(png.at(16 + 12, 16 + 40), (Pixel{200, 0, 0}));
  EXPECT_EQ(png.at(16 + 88, 16 + 40), (Pixel{200, 0, 0}));
  EXPECT_EQ(png.at(16 + 50, 16 + 40), kWhite) << "the gap";
  EXPECT_EQ(png.at(16 + 12, 16 + 30), kWhite);
  EXPECT_EQ(png.at(16 + 12, 16 + 50), kWhite);
}

TEST_F(Sheet, DrawsBarsAsHighAsTheirValues) {
  Panel panel = frame({0, 2}, {0, 4});
  panel.bars = {1, 3};
  const Png png = drawn({.sections = {{.panels = {panel}}}});
  const Pixel bar = png.at(16 + 25, 16 + 75);
  EXPECT_NE(bar, kWhite);
  EXPECT_EQ(png.at(16 + 25, 16 + 55), kWhite) << "the first ends at a quarter";
  EXPECT_EQ(png.at(16 + 75, 16 + 55), bar);
  EXPECT_EQ(png.at(16 + 75, 16 + 25), bar);
  EXPECT_EQ(png.at(16 + 75, 16 + 15), kWhite) << "the second at three quarters";
}

TEST_F(Sheet, KeepsAllTicksAndLabelsInsideThePicture) {
  Panel panel = frame({-123456, 987654}, {-0.00123, 0.00456});
  panel.x_ticks = panel.y_ticks = true;
  const Png png = drawn({.title = "Title",
                         .subtitle = "Subtitle",
                         .legend = {{"input", {1, 2, 3}}},
                         .sections = {{.panels = {panel},
                                       .row_labels = {"row"},
                                       .column_labels = {"a name that is far too long to fit"},
                                       .bars = {{"a long name of a colour bar, longer than it",
                                                 colour_scale({-12345.678, 2})}}}}});
  // Nothing but white along all four edges.
  EXPECT_FALSE(png.has_ink(0, 0, png.width(), 10));
  EXPECT_FALSE(png.has_ink(0, png.height() - 4, png.width(), png.height()));
  EXPECT_FALSE(png.has_ink(0, 0, 5, png.height()));
  EXPECT_FALSE(png.has_ink(png.width() - 5, 0, png.width(), png.height()));
}

TEST_F(Sheet, ShowsTheColoursOfAScaleInItsBar) {
  const ColourScale scale = colour_scale({-2, 2});
  const Png png =
      drawn({.sections = {{.panels = {filled(20, 300, kRed)}, .bars = {{"u", scale}}}}});
  // Its label stands 14 below the panels, the bar of 180 x 10 another 14 below.
  const int y = 16 + 20 + 14 + 14 + 5;
  EXPECT_EQ(png.at(16, y), pixel(colour_at(scale.map, 0.5 / 180)));
  EXPECT_EQ(png.at(16 + 89, y), pixel(colour_at(scale.map, 89.5 / 180)));
  EXPECT_EQ(png.at(16 + 179, y), pixel(colour_at(scale.map, 179.5 / 180)));
  EXPECT_EQ(png.at(16 + 180, y), kWhite);
  EXPECT_TRUE(png.has_ink(16 + 84, y + 8, 16 + 96, y + 20)) << "a tick at 0";
}

TEST_F(Sheet, RefusesWhatItCannotDraw) {
  const auto message = [&](const PanelSheet& sheet) -> std::string {
    try {
      write_panel_sheet(path_, sheet);
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "drawn";
  };
  EXPECT_THAT(message({}), HasSubstr("needs a section"));
  EXPECT_THAT(message({.sections = {{}}}), HasSubstr("needs panels"));
  EXPECT_THAT(message({.sections = {{.panels = {Panel{}}}}}), HasSubstr("at least one pixel"));
  Panel wrong = filled(4, 4, kRed);
  wrong.picture.pixels.pop_back();
  EXPECT_THAT(message({.sections = {{.panels = {wrong}}}}), HasSubstr("4x4x3 holds 47 values"));
  EXPECT_THAT(message({.sections = {{.columns = 2,
                                     .panels = {filled(4, 4, kRed), filled(4, 4, kRed)},
                                     .groups = {{"a", 1}}}}}),
              HasSubstr("have 1 columns, the section 2"));
  EXPECT_THAT(message({.sections = {{.panels = {filled(1, 17000, kRed)}}}}),
              HasSubstr("larger than 16000"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace vae_dist::plot
