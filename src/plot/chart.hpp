// Charts as SVG of our own: lines, bars, clouds of points, stacked bars. They take their colours
// from the page's style (light and dark), scale with the page's width, and are read out by title
// and description.
//
//   LineChart chart{.title = "Loss", .x = {.label = "step"}, .y = {.logarithmic = true}};
//   chart.series.push_back({.name = "training", .x = steps, .y = losses});
//   page.figures({draw(chart)});
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plot/html.hpp"

namespace vae_dist::plot {

/// What is drawn in place of a colour's number that is not given: the colour of its place in the
/// list.
inline constexpr int kOwnColour = -1;
/// Colours of the page's style; a chart with more series goes round.
inline constexpr int kColours = 8;

struct Axis {
  std::string label = {};    ///< with the unit: "KL (nats)"
  bool logarithmic = false;  ///< values at or below 0 are gaps
  std::optional<double> low = {},
                        high = {};  ///< the range, where it is not to follow from the values
};

/// y over x, which ascends. Long series are thinned to a point a pixel column, with the range of
/// its values behind the line. NaN and infinities are gaps, marked at the foot of the chart.
struct Series {
  std::string name;  ///< for the legend; empty: the chart's title says what it is
  std::vector<double> x, y;
  bool dots = false;  ///< each value as a dot as well: for few values
  bool dashed = false;
  int colour = kOwnColour;
};

/// The area between two curves, such as mean +- standard deviation.
struct Band {
  std::string name;
  std::vector<double> x, low, high;
  int colour = kOwnColour;
};

/// A line across the chart, with its label on it. It widens the axis to be seen.
struct ReferenceLine {
  std::string label;
  double at = 0;
  bool vertical = false;
};

struct LineChart {
  std::string title;
  std::string caption = {};  ///< a sentence below: what to see, what was left out
  Axis x = {}, y = {};
  std::vector<Series> series = {};
  std::vector<Band> bands = {};
  std::vector<ReferenceLine> lines = {};
};

struct Bar {
  std::string label;
  double value = 0;
};

/// Upright bars from 0.
struct BarChart {
  std::string title;
  std::string caption = {};
  std::string x_label = {}, y_label = {};
  std::vector<Bar> bars = {};
  std::vector<ReferenceLine> lines = {};  ///< horizontal ones
};

struct PointCloud {
  std::string name;
  std::vector<double> x, y;
  int colour = kOwnColour;
};

/// Clouds of points on equal axes. Points that fall on each other are drawn once and darker, so
/// thousands stay light.
struct ScatterChart {
  std::string title;
  std::string caption = {};
  std::string x_label = {}, y_label = {};
  std::vector<PointCloud> clouds = {};
  std::vector<double> circles =
      {};  ///< radii around the origin: 1, 2, 3 for the standard deviations of N(0, I)
  std::string circles_name = {};  ///< for the legend
  std::optional<double> reach =
      {};  ///< the axes run from -reach to reach; else all points are seen
};

struct StackedBar {
  std::string label;          ///< "rank 0"
  std::vector<double> parts;  ///< in the order of StackedBars::parts; not finite or negative: none
};

/// Lying bars, one below the other, each cut into the same parts.
struct StackedBars {
  std::string title;
  std::string caption = {};
  std::string x_label = {};  ///< with the unit: "ms a step"
  std::vector<std::string> parts = {};
  std::vector<StackedBar> bars = {};
};

enum class LegendMark { line, dashed, dot, area, ring };

struct LegendEntry {
  std::string name;
  int colour = 0;
  LegendMark mark = LegendMark::line;
};

/// What a page shows: the legend is text beside the drawing, so it wraps on a narrow page.
struct Figure {
  std::string title, caption;
  Html drawing;
  std::vector<LegendEntry> legend;
};

/// All throw BadInput for coordinates of different length and for a given axis range that is none.
/// A chart without a value that can be shown says so in its place.
Figure draw(const LineChart& chart);
Figure draw(const BarChart& chart);
Figure draw(const ScatterChart& chart);
Figure draw(const StackedBars& chart);

}  // namespace vae_dist::plot
