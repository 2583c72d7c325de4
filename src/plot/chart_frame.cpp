#include "plot/chart_frame.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

constexpr double kTickGap = 6, kXTickBaseline = 17, kXLabelBaseline = 36, kYLabelRise = 12,
                 kClipAir = 3;

std::string place(const std::string& name, double value) {
  return " " + name + "=\"" + coordinate(value) + "\"";
}

std::string segment(double x1, double y1, double x2, double y2) {
  return place("x1", x1) + place("y1", y1) + place("x2", x2) + place("y2", y2);
}

}  // namespace

std::string coordinate(double value) {
  // Clamps far-away positions: a number that a renderer cannot represent would break the whole
  // path.
  const double tenths = std::round(std::clamp(value, -1e5, 1e5) * 10);
  const long long whole = static_cast<long long>(tenths);
  std::string out = std::to_string(whole / 10);
  if (whole < 0 && whole > -10) out = "-0";
  if (whole % 10 != 0) out += "." + std::to_string(std::llabs(whole % 10));
  return out;
}

PlotArea plot_area(const std::string& y_label) {
  PlotArea area;
  if (y_label.empty()) area.top = 12;
  return area;
}

Drawing::Drawing(const std::string& title, const std::string& description, const PlotArea& area) {
  source_ = "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 " + coordinate(area.width) + " " +
            coordinate(area.height) + "\"><title>" + html_escaped(title) + "</title><desc>" +
            html_escaped(description) + "</desc>";
}

void Drawing::element(const std::string& tag, const std::string& attributes) {
  source_ += "<" + tag + " " + attributes + "/>";
}

void Drawing::element(const std::string& tag, const std::string& attributes,
                      const std::string& title) {
  source_ +=
      "<" + tag + " " + attributes + "><title>" + html_escaped(title) + "</title></" + tag + ">";
}

void Drawing::words(double x, double y, const std::string& anchor, const std::string& words,
                    const std::string& css_class) {
  source_ += "<text" + (css_class.empty() ? "" : " class=\"" + css_class + "\"") + place("x", x) +
             place("y", y) + (anchor == "start" ? "" : " text-anchor=\"" + anchor + "\"") + ">" +
             html_escaped(words) + "</text>";
}

// A nested viewport clips by itself, whereas a clipPath would need an id that is unique on the
// page.
void Drawing::open_clipped(const PlotArea& area) {
  const double x = area.left - kClipAir, y = area.top - kClipAir,
               width = area.right - area.left + 2 * kClipAir,
               height = area.bottom - area.top + 2 * kClipAir;
  source_ += "<svg" + place("x", x) + place("y", y) + place("width", width) +
             place("height", height) + " viewBox=\"" + coordinate(x) + " " + coordinate(y) + " " +
             coordinate(width) + " " + coordinate(height) + "\">";
}

void Drawing::y_axis(const PlotArea& area, const Scale& y, const std::string& y_label) {
  for (const Tick& tick : ticks(y.range(), y.logarithmic(), 5)) {
    const double at = y(tick.value);
    element("line", "class=\"" + std::string(tick.label.empty() ? "faint" : "grid") + "\"" +
                        segment(area.left, at, area.right, at));
    if (!tick.label.empty()) words(area.left - kTickGap, at + 4, "end", tick.label);
  }
  if (!y_label.empty()) words(2, area.top - kYLabelRise, "start", y_label, "axis");
}

void Drawing::x_axis(const PlotArea& area, const Scale& x, const std::string& x_label) {
  for (const Tick& tick : ticks(x.range(), x.logarithmic(), 8)) {
    const double at = x(tick.value);
    element("line", "class=\"rule\"" +
                        segment(at, area.bottom, at, area.bottom + (tick.label.empty() ? 2 : 4)));
    if (!tick.label.empty()) words(at, area.bottom + kXTickBaseline, "middle", tick.label);
  }
  element("line", "class=\"rule\"" + segment(area.left, area.bottom, area.right, area.bottom));
  if (!x_label.empty()) words(area.right, area.bottom + kXLabelBaseline, "end", x_label, "axis");
}

void Drawing::axes(const PlotArea& area, const Scale& x, const Scale& y, const std::string& x_label,
                   const std::string& y_label) {
  y_axis(area, y, y_label);
  x_axis(area, x, x_label);
}

void Drawing::reference_lines(const PlotArea& area, const std::vector<ReferenceLine>& lines,
                              const Scale* x, const Scale* y) {
  for (const ReferenceLine& line : lines) {
    const Scale* scale = line.vertical ? x : y;
    if (!scale || !can_show(line.at, scale->logarithmic())) continue;
    const double at = (*scale)(line.at);
    if (line.vertical) {
      const bool late = at > (area.left + area.right) / 2;
      element("line", "class=\"reference\"" + segment(at, area.top, at, area.bottom));
      words(at + (late ? -4 : 4), area.top + 10, late ? "end" : "start", line.label,
            "reference-label");
    } else {
      const bool high = at < area.top + 14;
      element("line", "class=\"reference\"" + segment(area.left, at, area.right, at));
      words(area.right, at + (high ? 13 : -4), "end", line.label, "reference-label");
    }
  }
}

void Drawing::draw_empty_message(const PlotArea& area) {
  words((area.left + area.right) / 2, (area.top + area.bottom) / 2, "middle",
        "no values that can be shown");
}

Html Drawing::finished() const { return Html::trusted(source_ + "</svg>"); }

Scale axis_scale(const Axis& axis, Range found, bool with_air, double at_low, double at_high) {
  Range range = with_air || found.low >= found.high ? padded(found, axis.logarithmic) : found;
  if (axis.low) range.low = *axis.low;
  if (axis.high) range.high = *axis.high;
  return {range, axis.logarithmic, at_low, at_high};
}

void require_equal_lengths(const std::string& chart, const std::string& curve, std::size_t x,
                           std::size_t y) {
  if (x != y)
    throw base::BadInput(base::text("chart \"", chart, "\": ", curve, " has ", x,
                                    " values along one axis and ", y, " along the other"));
}

}  // namespace vae_dist::plot
