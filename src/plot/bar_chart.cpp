#include <algorithm>
#include <cmath>

#include "plot/chart_frame.hpp"

namespace vae_dist::plot {
namespace {

constexpr double kLabelWidth = 34;  // width of a short label, in user units

}  // namespace

Figure draw(const BarChart& chart) {
  Figure figure{chart.title, chart.caption, {}, {}};
  const PlotArea area = plot_area(chart.y_label);
  std::optional<Range> found;
  for (const Bar& bar : chart.bars) found = range_of(std::span(&bar.value, 1), false, found);
  Drawing drawing(
      chart.title,
      base::text(
          chart.y_label.empty() ? chart.title : chart.y_label, ": ", chart.bars.size(), " bars",
          found ? ", from " + number_label(found->low) + " to " + number_label(found->high) : "",
          "."),
      area);
  if (!found) {
    drawing.draw_empty_message(area);
    figure.drawing = drawing.finished();
    return figure;
  }
  for (const ReferenceLine& line : chart.lines)
    if (!line.vertical) found = range_of(std::span(&line.at, 1), false, found);

  // The length of a bar shows its value only if the bar starts at 0.
  Range range{std::min(0.0, found->low), std::max(0.0, found->high)};
  if (range.low == range.high) range.high = 1;
  const double air = 0.05 * (range.high - range.low);
  if (range.low < 0) range.low -= air;
  if (range.high > 0) range.high += air;
  const Scale y(range, false, area.bottom, area.top);
  drawing.y_axis(area, y, chart.y_label);

  const double room = (area.right - area.left) / static_cast<double>(chart.bars.size());
  const double width = room > 4 ? room * 0.8 : room;
  const auto labelled_every =
      static_cast<std::size_t>(std::max(1.0, std::ceil(kLabelWidth / room)));
  for (std::size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double left = area.left + room * static_cast<double>(i) + (room - width) / 2;
    if (std::isfinite(bar.value)) {
      const double top = y(std::max(0.0, bar.value)), bottom = y(std::min(0.0, bar.value));
      drawing.element("rect",
                      base::text("class=\"bar c0\" x=\"", coordinate(left), "\" y=\"",
                                 coordinate(top), "\" width=\"", coordinate(std::max(0.5, width)),
                                 "\" height=\"", coordinate(bottom - top), "\""),
                      bar.label + ": " + number_label(bar.value));
    } else {
      drawing.element("path",
                      base::text("class=\"bad\" d=\"M", coordinate(left + width / 2 - 3), " ",
                                 coordinate(area.bottom - 7), "l6 6m0 -6l-6 6\""),
                      bar.label + ": not finite");
    }
    if (i % labelled_every == 0)
      drawing.words(left + width / 2, area.bottom + 17, "middle", bar.label);
  }
  drawing.element("line", base::text("class=\"rule\" x1=\"", coordinate(area.left), "\" y1=\"",
                                     coordinate(y(0)), "\" x2=\"", coordinate(area.right),
                                     "\" y2=\"", coordinate(y(0)), "\""));
  if (!chart.x_label.empty())
    drawing.words(area.right, area.bottom + 36, "end", chart.x_label, "axis");
  drawing.reference_lines(area, chart.lines, nullptr, &y);
  figure.drawing = drawing.finished();
  return figure;
}

}  // namespace vae_dist::plot
