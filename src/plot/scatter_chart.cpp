#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "plot/chart_frame.hpp"

namespace vae_dist::plot {
namespace {

constexpr PlotArea kSquare{
    .left = 44, .top = 26, .right = 404, .bottom = 386, .width = 416, .height = 430};
constexpr double kCell = 2;  // user units: points closer than this share one dot

// Returns the darkness level of a dot from the number of points in its cell.
int depth_of(int hits) { return hits < 3 ? 0 : hits < 10 ? 1 : 2; }

double farthest(const ScatterChart& chart) {
  double reach = 0;
  for (const PointCloud& cloud : chart.clouds)
    for (const auto* values : {&cloud.x, &cloud.y})
      for (const double value : *values)
        if (std::isfinite(value)) reach = std::max(reach, std::fabs(value));
  for (const double radius : chart.circles) reach = std::max(reach, radius);
  return reach > 0 ? reach * 1.05 : 1;
}

}  // namespace

Figure draw(const ScatterChart& chart) {
  Figure figure{chart.title, chart.caption, {}, {}};
  std::size_t points = 0, left_out = 0;
  for (const PointCloud& cloud : chart.clouds) {
    require_equal_lengths(chart.title, cloud.name, cloud.x.size(), cloud.y.size());
    points += cloud.x.size();
  }
  const double reach = chart.reach.value_or(farthest(chart));
  const Scale x({-reach, reach}, false, kSquare.left, kSquare.right),
      y({-reach, reach}, false, kSquare.bottom, kSquare.top);

  // Groups dots by darkness: one path of dots is far smaller than a circle for each dot.
  std::vector<std::vector<std::string>> paths;
  for (const PointCloud& cloud : chart.clouds) {
    std::map<std::pair<long, long>, int> cells;
    for (std::size_t i = 0; i < cloud.x.size(); ++i) {
      const bool inside =
          std::fabs(cloud.x[i]) <= reach && std::fabs(cloud.y[i]) <= reach;  // false for NaN
      if (inside)
        ++cells[{std::lround(x(cloud.x[i]) / kCell), std::lround(y(cloud.y[i]) / kCell)}];
      else
        ++left_out;
    }
    std::vector<std::string> by_depth(3);
    for (const auto& [cell, hits] : cells)
      by_depth[depth_of(hits)] += "M" + coordinate(static_cast<double>(cell.first) * kCell) + " " +
                                  coordinate(static_cast<double>(cell.second) * kCell) + "h0";
    paths.push_back(std::move(by_depth));
  }

  std::string description =
      base::text(points, " points: ", chart.y_label, " over ", chart.x_label, ".");
  if (left_out > 0) {
    const std::string outside =
        base::text(left_out, left_out == 1 ? " point lies" : " points lie", " outside the chart.");
    description += " " + outside;
    figure.caption += (figure.caption.empty() ? "" : " ") + outside;
  }
  Drawing drawing(chart.title, description, kSquare);
  drawing.axes(kSquare, x, y, chart.x_label, chart.y_label);
  drawing.open_clipped(kSquare);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const int colour = colour_of(chart.clouds[i].colour, i);
    for (int depth = 0; depth < 3; ++depth)
      if (!paths[i][depth].empty())
        drawing.element("path", base::text("class=\"point depth", depth, " c", colour, "\" d=\"",
                                           paths[i][depth], "\""));
    figure.legend.push_back({chart.clouds[i].name, colour, LegendMark::dot});
  }
  for (const double radius : chart.circles)
    drawing.element("circle",
                    base::text("class=\"circle\" cx=\"", coordinate(x(0)), "\" cy=\"",
                               coordinate(y(0)), "\" r=\"", coordinate(x(radius) - x(0)), "\""));
  drawing.close_clipped();
  if (!chart.circles.empty() && !chart.circles_name.empty())
    figure.legend.push_back({chart.circles_name, 0, LegendMark::ring});
  figure.drawing = drawing.finished();
  return figure;
}

}  // namespace vae_dist::plot
