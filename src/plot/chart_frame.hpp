// What all charts share: the SVG around the drawing, axes with ticks, and numbers short enough for
// thousands of points. Internal to src/picture.
#pragma once

#include <string>
#include <vector>

#include "base/text.hpp"
#include "plot/axis.hpp"
#include "plot/chart.hpp"

namespace vae_dist::plot {

/// A coordinate in user units: one digit behind the point, which is less than a pixel at any width.
std::string coordinate(double value);

/// Where a chart is drawn, in user units of its viewBox.
struct PlotArea {
  double left = 58, top = 30, right = 466, bottom = 236;
  double width = 480, height = 280;
};

/// The area of a chart whose y axis has that label: none needs no room.
PlotArea plot_area(const std::string& y_label);

/// An SVG that grows from the text of its elements.
class Drawing {
 public:
  Drawing(const std::string& title, const std::string& description, const PlotArea& area);

  /// `attributes` is ours: `class="line c0" d="M1 2"`.
  void element(const std::string& tag, const std::string& attributes);
  /// An element with a title of its own, which a browser shows under the pointer.
  void element(const std::string& tag, const std::string& attributes, const std::string& title);
  /// `anchor`: start, middle or end.
  void words(double x, double y, const std::string& anchor, const std::string& words,
             const std::string& css_class = "");
  /// What follows is cut off at the plot's edges (a few units of air for the width of lines), until
  /// close_clipped.
  void open_clipped(const PlotArea& area);
  void close_clipped() { source_ += "</svg>"; }

  /// Grid, ticks and labels of both axes; the y label stands above the axis.
  void axes(const PlotArea& area, const Scale& x, const Scale& y, const std::string& x_label,
            const std::string& y_label);
  void y_axis(const PlotArea& area, const Scale& y, const std::string& y_label);
  void x_axis(const PlotArea& area, const Scale& x, const std::string& x_label);
  void reference_lines(const PlotArea& area, const std::vector<ReferenceLine>& lines,
                       const Scale* x, const Scale* y);
  /// In place of a drawing.
  void nothing_to_show(const PlotArea& area);

  Html finished() const;

 private:
  std::string source_;
};

inline int colour_of(int given, std::size_t place) {
  return given == kOwnColour ? static_cast<int>(place) % kColours : given % kColours;
}

/// The chart's axis: what is given, else `found` with some air. Throws BadInput for a given range
/// that is none.
Scale axis_scale(const Axis& axis, Range found, bool with_air, double at_low, double at_high);

/// Throws BadInput naming the chart and the curve unless the lengths are equal.
void require_equal_lengths(const std::string& chart, const std::string& curve, std::size_t x,
                           std::size_t y);

}  // namespace vae_dist::plot
