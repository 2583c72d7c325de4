#include <algorithm>
#include <cmath>
#include <ranges>

#include "plot/chart_frame.hpp"
#include "plot/thinned_curve.hpp"

namespace vae_dist::plot {
namespace {

constexpr int kColumns = 400;         // about the plot's width in user units
constexpr std::size_t kFewDots = 60;  // more would overlap
constexpr std::size_t kManyGaps = 50;

std::string path_point(char command, double x, double y) {
  return command + coordinate(x) + " " + coordinate(y);
}

struct Ranges {
  std::optional<Range> x, y;
};

Ranges ranges_of(const LineChart& chart) {
  Ranges out;
  const auto add = [&](const std::vector<double>& x, const std::vector<double>& y) {
    // Only points whose x can be shown count.
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!can_show(x[i], chart.x.logarithmic)) continue;
      out.x = range_of(std::span(&x[i], 1), chart.x.logarithmic, out.x);
      out.y = range_of(std::span(&y[i], 1), chart.y.logarithmic, out.y);
    }
  };
  for (const Series& series : chart.series) {
    require_equal_lengths(chart.title, series.name, series.x.size(), series.y.size());
    add(series.x, series.y);
  }
  for (const Band& band : chart.bands) {
    require_equal_lengths(chart.title, band.name, band.x.size(), band.low.size());
    require_equal_lengths(chart.title, band.name, band.x.size(), band.high.size());
    add(band.x, band.low);
    add(band.x, band.high);
  }
  if (!out.x || !out.y) return out;
  for (const ReferenceLine& line : chart.lines) {
    auto& range = line.vertical ? out.x : out.y;
    range = range_of(std::span(&line.at, 1),
                     line.vertical ? chart.x.logarithmic : chart.y.logarithmic, range);
  }
  return out;
}

using Piece = std::vector<CurvePoint>;

std::string line_path(const std::vector<Piece>& pieces, const Scale& x, const Scale& y) {
  std::string path;
  for (const Piece& piece : pieces) {
    for (std::size_t i = 0; i < piece.size(); ++i)
      path += path_point(i == 0 ? 'M' : 'L', x(piece[i].x), y(piece[i].y));
    if (piece.size() == 1) path += "h0";  // rounded line ends turn this into a dot
  }
  return path;
}

// Outlines each piece: along the high side and back along the low side. Empty if every point stands
// for a single value.
std::string spread_path(const std::vector<Piece>& pieces, const Scale& x, const Scale& y) {
  std::string path;
  for (const Piece& piece : pieces) {
    if (std::none_of(piece.begin(), piece.end(),
                     [](const CurvePoint& point) { return point.low < point.high; }))
      continue;
    for (std::size_t i = 0; i < piece.size(); ++i)
      path += path_point(i == 0 ? 'M' : 'L', x(piece[i].x), y(piece[i].high));
    for (const CurvePoint& point : std::views::reverse(piece))
      path += path_point('L', x(point.x), y(point.low));
    path += "Z";
  }
  return path;
}

std::string band_path(const Band& band, const Scale& x, const Scale& y) {
  const ThinnedCurve low = thinned(band.x, band.low, x, y.logarithmic(), kColumns),
                     high = thinned(band.x, band.high, x, y.logarithmic(), kColumns);
  std::string path;
  for (std::size_t i = 0; i < std::min(low.pieces.size(), high.pieces.size()); ++i) {
    for (std::size_t k = 0; k < high.pieces[i].size(); ++k)
      path += path_point(k == 0 ? 'M' : 'L', x(high.pieces[i][k].x), y(high.pieces[i][k].high));
    for (const CurvePoint& point : std::views::reverse(low.pieces[i]))
      path += path_point('L', x(point.x), y(point.low));
    path += "Z";
  }
  return path;
}

std::string described(const LineChart& chart, std::size_t not_finite) {
  std::string out = (chart.y.label.empty() ? chart.title : chart.y.label) + " over " +
                    chart.x.label + (chart.y.logarithmic ? ", logarithmic" : "") + ".";
  for (const Series& series : chart.series) {
    if (!series.y.empty())
      out += (series.name.empty() ? " From " : " " + series.name + ": from ") +
             number_label(series.y.front()) + " to " + number_label(series.y.back()) + ".";
  }
  if (not_finite > 0) out += " " + std::to_string(not_finite) + " values are not finite.";
  return out;
}

}  // namespace

Figure draw(const LineChart& chart) {
  Figure figure{chart.title, chart.caption, {}, {}};
  const PlotArea area = plot_area(chart.y.label);
  const Ranges found = ranges_of(chart);
  if (!found.x || !found.y) {
    Drawing drawing(chart.title, described(chart, 0), area);
    drawing.draw_empty_message(area);
    figure.drawing = drawing.finished();
    return figure;
  }
  // If the x axis almost starts at 0, start it there: steps count from 1 and are logged at
  // intervals.
  const bool from_zero =
      !chart.x.logarithmic && found.x->low > 0 && found.x->low <= 0.1 * found.x->high;
  const Range x_range{from_zero ? 0 : found.x->low, found.x->high};
  const Scale x = axis_scale(chart.x, x_range, false, area.left, area.right);
  const Scale y = axis_scale(chart.y, *found.y, true, area.bottom, area.top);

  std::vector<ThinnedCurve> curves;
  std::size_t not_finite = 0;
  for (const Series& series : chart.series) {
    curves.push_back(thinned(series.x, series.y, x, chart.y.logarithmic, kColumns));
    not_finite += curves.back().not_finite;
  }

  Drawing drawing(chart.title, described(chart, not_finite), area);
  drawing.axes(area, x, y, chart.x.label, chart.y.label);
  drawing.open_clipped(area);
  for (std::size_t i = 0; i < chart.bands.size(); ++i) {
    const int colour = colour_of(chart.bands[i].colour, i);
    drawing.element("path", base::text("class=\"area c", colour, "\" d=\"",
                                       band_path(chart.bands[i], x, y), "\""));
    if (!chart.bands[i].name.empty())
      figure.legend.push_back({chart.bands[i].name, colour, LegendMark::area});
  }
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const std::string spread = spread_path(curves[i].pieces, x, y);
    if (!spread.empty())
      drawing.element("path", base::text("class=\"area c", colour_of(chart.series[i].colour, i),
                                         "\" d=\"", spread, "\""));
  }
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& series = chart.series[i];
    const int colour = colour_of(series.colour, i);
    const std::string path = line_path(curves[i].pieces, x, y);
    if (!path.empty())
      drawing.element("path", base::text("class=\"line c", colour, series.dashed ? " dashed" : "",
                                         "\" d=\"", path, "\""));
    if (series.dots && series.x.size() <= kFewDots) {
      for (const Piece& piece : curves[i].pieces)
        for (const CurvePoint& point : piece)
          drawing.element(
              "circle",
              base::text("class=\"dot c", colour, "\" cx=\"", coordinate(x(point.x)), "\" cy=\"",
                         coordinate(y(point.y)), "\" r=\"3\""),
              base::text(series.name, ": ", number_label(point.y), " at ", number_label(point.x)));
    }
    for (std::size_t g = 0; g < std::min(curves[i].gaps.size(), kManyGaps); ++g) {
      const double at = x(curves[i].gaps[g]);
      drawing.element("path",
                      base::text("class=\"bad\" d=\"M", coordinate(at - 3), " ",
                                 coordinate(area.bottom - 7), "l6 6m0 -6l-6 6\""),
                      base::text(series.name, ": not finite at ", number_label(curves[i].gaps[g])));
    }
    if (!series.name.empty())
      figure.legend.push_back({series.name, colour,
                               series.dashed                                ? LegendMark::dashed
                               : series.dots && series.x.size() <= kFewDots ? LegendMark::dot
                                                                            : LegendMark::line});
  }
  drawing.close_clipped();
  drawing.reference_lines(area, chart.lines, &x, &y);
  figure.drawing = drawing.finished();
  return figure;
}

}  // namespace vae_dist::plot
