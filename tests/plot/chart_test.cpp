// The tests read the SVG as text. Positions refer to the viewBox and the edges of the plot (58 to
// 466, 12 or 30 to 236).
#include "plot/chart.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::string svg(const Figure& figure) { return figure.drawing.source(); }

std::size_t count(const std::string& in, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = in.find(what); at != std::string::npos;
       at = in.find(what, at + what.size()))
    ++found;
  return found;
}

// Returns the d attribute of the first path of a class.
std::string path(const std::string& source, const std::string& css_class) {
  const std::string before = " d=\"";
  const std::size_t element = source.find("<path class=\"" + css_class);
  const std::size_t begin = source.find(before, element);
  if (element == std::string::npos || begin == std::string::npos) return "";
  const std::size_t first = begin + before.size();
  return source.substr(first, source.find('"', first) - first);
}

LineChart line_chart(std::vector<double> x, std::vector<double> y) {
  LineChart chart{.title = "Loss", .x = {.label = "step"}};
  chart.series.push_back({.name = "training", .x = std::move(x), .y = std::move(y)});
  return chart;
}

TEST(LineChart, PutsEveryPointAtItsPlace) {
  LineChart chart = line_chart({0, 50, 100}, {0, 10, 5});
  chart.y.low = 0;
  chart.y.high = 10;
  EXPECT_EQ(path(svg(draw(chart)), "line"), "M58 236L262 12L466 124");
}

TEST(LineChart, PutsPowersOfTenAtEqualDistances) {
  LineChart chart = line_chart({1, 10, 100}, {0.1, 1, 10});
  chart.x.logarithmic = chart.y.logarithmic = true;
  chart.y.low = 0.1;
  chart.y.high = 10;
  EXPECT_EQ(path(svg(draw(chart)), "line"), "M58 236L262 124L466 12");
}

TEST(LineChart, LabelsItsAxesWithTicksAndUnits) {
  LineChart chart = line_chart({0, 1000}, {2, 9});
  chart.y.label = "nats per sample";
  const std::string source = svg(draw(chart));
  for (const char* words : {">0</text>", ">1,000</text>", ">step</text>", ">nats per sample</text>",
                            ">4</text>", ">8</text>"})
    EXPECT_THAT(source, HasSubstr(words));
}

TEST(LineChart, IsReadOut) {
  const std::string source = svg(draw(line_chart({0, 10}, {3, 0.25})));
  EXPECT_THAT(source, HasSubstr("role=\"img\""));
  EXPECT_THAT(
      source,
      HasSubstr("<title>Loss</title><desc>Loss over step. training: from 3 to 0.25.</desc>"));
}

TEST(LineChart, ScalesWithThePageAndTakesItsColours) {
  const std::string source = svg(draw(line_chart({0, 1}, {0, 1})));
  EXPECT_THAT(source, HasSubstr("viewBox=\"0 0 480 280\""));
  EXPECT_THAT(source, Not(HasSubstr("#"))) << "colours come from the style";
  EXPECT_THAT(source, Not(HasSubstr("style=")));
}

TEST(LineChart, LeavesGapsForValuesThatAreNotFiniteAndMarksThem) {
  LineChart chart = line_chart({0, 1, 2, 3, 4}, {1, 2, kMissing, 2, 1});
  const std::string source = svg(draw(chart));
  EXPECT_EQ(count(path(source, "line"), "M"), 2u);
  EXPECT_EQ(count(source, "class=\"bad\""), 1u);
  EXPECT_THAT(source, HasSubstr("training: not finite at 2"));
  EXPECT_THAT(source, HasSubstr("1 values are not finite."));
  EXPECT_THAT(source, Not(HasSubstr("nan")));
}

TEST(LineChart, ShowsALoneValueAsADot) {
  EXPECT_THAT(path(svg(draw(line_chart({5}, {3}))), "line"), HasSubstr("h0"));
}

TEST(LineChart, SaysSoWhereThereIsNothingToShow) {
  for (const LineChart& chart :
       {line_chart({}, {}), line_chart({1, 2}, {kMissing, kMissing}), LineChart{.title = "Loss"}}) {
    EXPECT_THAT(svg(draw(chart)), HasSubstr("no values that can be shown"));
  }
}

TEST(LineChart, StaysSmallAndKeepsSpikesWithAHundredThousandSteps) {
  std::vector<double> x(100000), y(100000);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<double>(i);
    y[i] = 1 + 0.01 * std::sin(static_cast<double>(i));
  }
  y[70000] = 50;
  LineChart chart = line_chart(x, y);
  chart.y.low = 0;
  chart.y.high = 50;
  const std::string source = svg(draw(chart));
  EXPECT_LT(source.size(), 30000u);
  EXPECT_THAT(path(source, "area"), HasSubstr(" 12L")) << "the spike reaches the top";
}

TEST(LineChart, ExplainsCurvesWithNamesInALegendAndKeepsTheirColours) {
  LineChart chart = line_chart({0, 1}, {0, 1});
  chart.series[0].name.clear();
  EXPECT_TRUE(draw(chart).legend.empty());
  EXPECT_THAT(svg(draw(chart)), HasSubstr("<desc>Loss over step. From 0 to 1.</desc>"));
  chart.series[0].name = "training";
  chart.series.push_back(
      {.name = "validation", .x = {0, 1}, .y = {1, 2}, .dashed = true, .colour = 5});
  const Figure figure = draw(chart);
  ASSERT_EQ(figure.legend.size(), 2u);
  EXPECT_EQ(figure.legend[1].name, "validation");
  EXPECT_EQ(figure.legend[1].mark, LegendMark::dashed);
  EXPECT_THAT(svg(figure), HasSubstr("class=\"line c0\""));
  EXPECT_THAT(svg(figure), HasSubstr("class=\"line c5 dashed\""));
}

TEST(LineChart, DrawsBandsAndReferenceLinesWhereTheyBelong) {
  LineChart chart = line_chart({0, 100}, {4, 6});
  chart.bands.push_back({.name = "spread", .x = {0, 100}, .low = {3, 5}, .high = {5, 10}});
  chart.lines.push_back({"limit", 0});
  chart.lines.push_back({"best", 50, true});
  chart.y.low = 0;
  chart.y.high = 10;
  const std::string source = svg(draw(chart));
  EXPECT_EQ(path(source, "area"), "M58 124L466 12L466 124L58 168.8Z");
  EXPECT_THAT(source, HasSubstr("class=\"reference\" x1=\"58\" y1=\"236\" x2=\"466\" y2=\"236\""));
  EXPECT_THAT(source, HasSubstr("class=\"reference\" x1=\"262\" y1=\"12\" x2=\"262\" y2=\"236\""));
  EXPECT_THAT(source, HasSubstr(">limit</text>"));
}

TEST(LineChart, RefusesCurvesOfDifferentLengths) {
  try {
    draw(line_chart({1, 2, 3}, {1}));
    FAIL();
  } catch (const base::BadInput& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("chart \"Loss\": training has 3 values along one axis and 1 along the other"));
  }
}

TEST(Charts, EscapeEveryWordThatTheyAreGiven) {
  const std::string evil = "<script>alert('x')</script>&\"";
  LineChart lines = line_chart({0, 1}, {0, kMissing});
  lines.title = lines.x.label = lines.y.label = lines.series[0].name = evil;
  lines.lines.push_back({evil, 1});
  lines.series[0].dots = true;
  const BarChart bars{
      .title = evil, .x_label = evil, .y_label = evil, .bars = {{evil, 1}, {evil, kMissing}}};
  const ScatterChart scatter{
      .title = evil, .x_label = evil, .y_label = evil, .clouds = {{evil, {0}, {0}}}};
  const StackedBars stacked{.title = evil, .x_label = evil, .parts = {evil}, .bars = {{evil, {1}}}};
  for (const std::string& source :
       {svg(draw(lines)), svg(draw(bars)), svg(draw(scatter)), svg(draw(stacked))}) {
    EXPECT_THAT(source, Not(HasSubstr("<script")));
    EXPECT_THAT(source, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
  }
}

TEST(BarChart, DrawsEachValueFromZeroToItsHeight) {
  const std::string source = svg(
      draw(BarChart{.title = "KL", .y_label = "nats", .bars = {{"z0", 10}, {"z1", 5}, {"z2", 0}}}));
  // The axis ends 5 % above 10, at 30; zero is at 236.
  EXPECT_THAT(source,
              HasSubstr("y=\"39.8\" width=\"108.8\" height=\"196.2\"><title>z0: 10</title>"));
  EXPECT_THAT(source,
              HasSubstr("y=\"137.9\" width=\"108.8\" height=\"98.1\"><title>z1: 5</title>"));
  EXPECT_THAT(source, HasSubstr("height=\"0\"><title>z2: 0</title>"));
}

TEST(BarChart, HangsNegativeValuesBelowZeroAndLabelsOnlyWhatFits) {
  EXPECT_THAT(svg(draw(BarChart{.title = "a", .bars = {{"up", 1}, {"down", -1}}})),
              HasSubstr("y=\"124\" width=\"163.2\" height=\"101.8\"><title>down: −1</title>"));
  BarChart many{.title = "KL"};
  for (int i = 0; i < 128; ++i) many.bars.push_back({"z" + std::to_string(i), 1.0});
  const std::string source = svg(draw(many));
  EXPECT_EQ(count(source, "<rect"), 128u);
  EXPECT_LE(count(source, ">z"), 128u + 13u) << "a title for each bar, a label for every eleventh";
}

TEST(ScatterChart, PutsPointsOnEqualAxesAndCirclesAroundTheOrigin) {
  const Figure figure = draw(ScatterChart{.title = "Codes",
                                          .x_label = "z0",
                                          .y_label = "z1",
                                          .clouds = {{"codes", {0, 3}, {0, -3}}},
                                          .circles = {1, 2},
                                          .circles_name = "N(0, I)",
                                          .reach = 3});
  // From -3 at 44 to 3 at 404, and from 3 at 26 to -3 at 386.
  EXPECT_THAT(svg(figure), HasSubstr("d=\"M224 206h0M404 386h0\""));
  EXPECT_THAT(svg(figure), HasSubstr("cx=\"224\" cy=\"206\" r=\"60\""));
  EXPECT_THAT(svg(figure), HasSubstr("cx=\"224\" cy=\"206\" r=\"120\""));
  EXPECT_EQ(figure.legend.back().mark, LegendMark::ring);
}

TEST(ScatterChart, CountsWhatLiesOutside) {
  EXPECT_EQ(
      draw(ScatterChart{
               .title = "Codes", .clouds = {{"codes", {0, 9, kMissing}, {0, 0, 0}}}, .reach = 3})
          .caption,
      "2 points lie outside the chart.");
}

TEST(ScatterChart, StaysLightWithThousandsOfPoints) {
  PointCloud cloud{"codes", {}, {}};
  for (int i = 0; i < 20000; ++i) {
    cloud.x.push_back(std::sin(i * 0.7) * (i % 97) / 30.0);
    cloud.y.push_back(std::cos(i * 0.3) * (i % 89) / 30.0);
  }
  EXPECT_LT(svg(draw(ScatterChart{.title = "Codes", .clouds = {cloud}})).size(), 200000u);
}

TEST(StackedBars, PutsPartsBehindEachOther) {
  const Figure figure = draw(StackedBars{.title = "Time",
                                         .x_label = "ms a step",
                                         .parts = {"computing", "waiting"},
                                         .bars = {{"rank 0", {6, 2}}, {"rank 1", {5, kMissing}}}});
  // The longest bar, 8, ends at 466; labels of 6 letters take 54.4.
  EXPECT_THAT(svg(figure), HasSubstr("class=\"bar c0\" x=\"54.4\" y=\"10.4\" width=\"308.7\""));
  EXPECT_THAT(svg(figure), HasSubstr("class=\"bar c1\" x=\"363.1\" y=\"10.4\" width=\"102.9\""));
  EXPECT_THAT(svg(figure), HasSubstr("<title>rank 1, computing: 5</title>"));
  EXPECT_EQ(count(svg(figure), "<rect"), 3u) << "non-finite values are left out";
  EXPECT_EQ(figure.legend.size(), 2u);
}

TEST(StackedBars, GrowsWithItsBars) {
  StackedBars chart{.title = "Time", .parts = {"all"}};
  for (int rank = 0; rank < 512; ++rank)
    chart.bars.push_back({"rank " + std::to_string(rank), {1}});
  const std::string source = svg(draw(chart));
  EXPECT_EQ(count(source, "<rect"), 512u);
  EXPECT_THAT(source, HasSubstr("viewBox=\"0 0 480 6708\""));
}

}  // namespace
}  // namespace vae_dist::plot
