// What all charts share: the SVG around the drawing, axes with ticks, and short numbers for
// thousands of points. Internal to src/plot.
#pragma once

#include <string>
#include <vector>

#include "base/text.hpp"
#include "plot/axis.hpp"
#include "plot/chart.hpp"

namespace vae_dist::plot {

/// Formats a coordinate in user units with one decimal, which is less than a pixel at any width.
std::string coordinate(double value);

/// The area in which a chart is drawn, in user units of its viewBox.
struct PlotArea {
  double left = 58, top = 30, right = 466, bottom = 236;
  double width = 480, height = 280;
};

/// Returns the area of a chart with this y label; an empty label takes no space.
PlotArea plot_area(const std::string& y_label);

/// An SVG that is built up from the text of its elements.
class Drawing {
 public:
  Drawing(const std::string& title, const std::string& description, const PlotArea& area);

  /// Appends an element. `attributes` must come from our own code: `class="line c0" d="M1 2"`.
  void element(const std::string& tag, const std::string& attributes);
  /// Appends an element with its own title, which a browser shows as a tooltip.
  void element(const std::string& tag, const std::string& attributes, const std::string& title);
  /// `anchor`: start, middle or end.
  void words(double x, double y, const std::string& anchor, const std::string& words,
             const std::string& css_class = "");
  /// Clips the following elements at the edges of the plot, plus a few user units for the width of
  /// lines, until close_clipped().
  void open_clipped(const PlotArea& area);
  void close_clipped() { source_ += "</svg>"; }

  /// Draws grid, ticks and labels of both axes; the y label stands above the axis.
  void axes(const PlotArea& area, const Scale& x, const Scale& y, const std::string& x_label,
            const std::string& y_label);
  void y_axis(const PlotArea& area, const Scale& y, const std::string& y_label);
  void x_axis(const PlotArea& area, const Scale& x, const std::string& x_label);
  void reference_lines(const PlotArea& area, const std::vector<ReferenceLine>& lines,
                       const Scale* x, const Scale* y);
  /// Draws a message instead of the chart.
  void draw_empty_message(const PlotArea& area);

  Html finished() const;

 private:
  std::string source_;
};

inline int colour_of(int given, std::size_t place) {
  return given == kOwnColour ? static_cast<int>(place) % kColours : given % kColours;
}

/// Returns the scale of the chart's axis: the given limits, else `found` with some space. Throws
/// BadInput if the given range is invalid.
Scale axis_scale(const Axis& axis, Range found, bool with_air, double at_low, double at_high);

/// Throws BadInput, naming the chart and the curve, unless the lengths are equal.
void require_equal_lengths(const std::string& chart, const std::string& curve, std::size_t x,
                           std::size_t y);

}  // namespace vae_dist::plot
