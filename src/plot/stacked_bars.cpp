#include <algorithm>
#include <cmath>

#include "plot/chart_frame.hpp"

namespace vae_dist::plot {
namespace {

constexpr double kLetter =
    7.4;  // width of a letter in user units, at the font size of a narrow page
constexpr double kTop = 8, kFoot = 44, kWidth = 480, kRight = 466;
constexpr std::size_t kRoomyBars = 16;

double usable(double part) { return std::isfinite(part) && part > 0 ? part : 0; }

}  // namespace

Figure draw(const StackedBars& chart) {
  Figure figure{chart.title, chart.caption, {}, {}};
  double longest = 0;
  std::size_t widest_label = 0;
  for (const StackedBar& bar : chart.bars) {
    require_equal_lengths(chart.title, bar.label, bar.parts.size(), chart.parts.size());
    double sum = 0;
    for (const double part : bar.parts) sum += usable(part);
    longest = std::max(longest, sum);
    widest_label = std::max(widest_label, bar.label.size());
  }
  const double room = chart.bars.size() <= kRoomyBars ? 24 : 13;
  PlotArea area;
  area.left =
      std::min(180.0, 10 + kLetter * static_cast<double>(std::max<std::size_t>(4, widest_label)));
  area.top = kTop;
  area.right = kRight;
  area.bottom = kTop + room * static_cast<double>(std::max<std::size_t>(1, chart.bars.size()));
  area.width = kWidth;
  area.height = area.bottom + kFoot;
  Drawing drawing(chart.title,
                  base::text(chart.x_label.empty() ? chart.title : chart.x_label, ": ",
                             chart.bars.size(), " bars."),
                  area);
  if (!(longest > 0)) {
    drawing.draw_empty_message(area);
    figure.drawing = drawing.finished();
    return figure;
  }

  const Scale x({0, longest}, false, area.left, area.right);
  drawing.x_axis(area, x, chart.x_label);
  // With many bars, label only as many as fit below each other.
  const std::size_t label_every = chart.bars.size() <= kRoomyBars ? 1 : 2;
  for (std::size_t i = 0; i < chart.bars.size(); ++i) {
    const StackedBar& bar = chart.bars[i];
    const double top = area.top + room * static_cast<double>(i);
    double from = 0;
    for (std::size_t part = 0; part < bar.parts.size(); ++part) {
      const double length = usable(bar.parts[part]);
      if (length == 0) continue;
      drawing.element("rect",
                      base::text("class=\"bar c", colour_of(kOwnColour, part), "\" x=\"",
                                 coordinate(x(from)), "\" y=\"", coordinate(top + room * 0.1),
                                 "\" width=\"", coordinate(x(from + length) - x(from)),
                                 "\" height=\"", coordinate(room * 0.8), "\""),
                      base::text(bar.label, ", ", chart.parts[part], ": ", number_label(length)));
      from += length;
    }
    if (i % label_every == 0) drawing.words(area.left - 6, top + room / 2 + 4, "end", bar.label);
  }
  for (std::size_t part = 0; part < chart.parts.size(); ++part)
    figure.legend.push_back({chart.parts[part], colour_of(kOwnColour, part), LegendMark::area});
  figure.drawing = drawing.finished();
  return figure;
}

}  // namespace vae_dist::plot
