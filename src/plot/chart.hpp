// Charts drawn as our own SVG: lines, bars, clouds of points, stacked bars. Colours come from the
// page's style (light and dark), charts scale with the width of the page, and screen readers read
// their title and description.
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

/// Stands for a colour that is not set: the series then gets the colour of its position in the
/// list.
inline constexpr int kOwnColour = -1;
/// The number of colours in the page's style; a chart with more series reuses them.
inline constexpr int kColours = 8;

struct Axis {
  std::string label = {};                     ///< with the unit: "KL (nats)"
  bool logarithmic = false;                   ///< values at or below 0 are gaps
  std::optional<double> low = {}, high = {};  ///< the range; by default it follows from the values
};

/// y over x, where x ascends. A long series is thinned to one point per pixel column, with the
/// range of the values of that column drawn behind the line. NaN and infinities are gaps, marked at
/// the bottom of the chart.
struct Series {
  std::string name;  ///< for the legend; empty: no entry, the title is enough
  std::vector<double> x, y;
  bool dots = false;  ///< also draws each value as a dot; for few values
  bool dashed = false;
  int colour = kOwnColour;
};

/// The area between two curves, such as mean +- standard deviation.
struct Band {
  std::string name;  ///< for the legend; empty: no entry
  std::vector<double> x, low, high;
  int colour = kOwnColour;
};

/// A labelled line across the chart. The axis is widened to include it.
struct ReferenceLine {
  std::string label;
  double at = 0;
  bool vertical = false;
};

struct LineChart {
  std::string title;
  std::string caption = {};  ///< a sentence below the chart: what it shows, what was left out
  Axis x = {}, y = {};
  std::vector<Series> series = {};
  std::vector<Band> bands = {};
  std::vector<ReferenceLine> lines = {};
};

struct Bar {
  std::string label;
  double value = 0;
};

/// Vertical bars that start at 0.
struct BarChart {
  std::string title;
  std::string caption = {};
  std::string x_label = {}, y_label = {};
  std::vector<Bar> bars = {};
  std::vector<ReferenceLine> lines = {};  ///< horizontal lines
};

struct PointCloud {
  std::string name;
  std::vector<double> x, y;
  int colour = kOwnColour;
};

/// Clouds of points on equal axes. Coinciding points are drawn once and darker, so that thousands
/// of points stay small.
struct ScatterChart {
  std::string title;
  std::string caption = {};
  std::string x_label = {}, y_label = {};
  std::vector<PointCloud> clouds = {};
  std::vector<double> circles =
      {};  ///< radii around the origin: 1, 2, 3 for the standard deviations of N(0, I)
  std::string circles_name = {};  ///< for the legend
  std::optional<double> reach =
      {};  ///< the axes run from -reach to reach; empty: they include all points
};

struct StackedBar {
  std::string label;  ///< "rank 0"
  std::vector<double>
      parts;  ///< in the order of StackedBars::parts; non-finite or negative parts are left out
};

/// Horizontal bars, one below the other, each divided into the same parts.
struct StackedBars {
  std::string title;
  std::string caption = {};
  std::string x_label = {};  ///< with the unit: "ms per step"
  std::vector<std::string> parts = {};
  std::vector<StackedBar> bars = {};
};

enum class LegendMark { line, dashed, dot, area, ring };

struct LegendEntry {
  std::string name;
  int colour = 0;
  LegendMark mark = LegendMark::line;
};

/// A drawing as a page shows it. The legend is text beside the drawing, so that it wraps on a
/// narrow page.
struct Figure {
  std::string title, caption;
  Html drawing;
  std::vector<LegendEntry> legend;
};

/// Draw a chart. Throw BadInput if coordinates differ in length or if a given axis range is
/// invalid. A chart without any value that can be shown says so instead.
Figure draw(const LineChart& chart);
Figure draw(const BarChart& chart);
Figure draw(const ScatterChart& chart);
Figure draw(const StackedBars& chart);

}  // namespace vae_dist::plot
