// Long curves made light: at most one point a pixel column, which keeps the column's least and
// greatest value.
#pragma once

#include <span>
#include <vector>

#include "plot/axis.hpp"

namespace vae_dist::plot {

/// A point of the drawn line: y is the mean of the values it stands for, low and high are their
/// least and greatest.
struct CurvePoint {
  double x = 0, y = 0, low = 0, high = 0;
};

struct ThinnedCurve {
  std::vector<std::vector<CurvePoint>> pieces;  ///< between gaps
  std::vector<double> gaps;    ///< one x for each gap that values which are not finite made
  std::size_t not_finite = 0;  ///< how many such values there are
};

/// Up to two values a column stay as they are; more become one point for each of the `columns` of
/// the axis. Where all of a column cannot be shown (NaN, infinite, at or below 0 on a logarithmic
/// y), the line has a gap. x ascends; a point whose x cannot be shown is left out.
ThinnedCurve thinned(std::span<const double> x, std::span<const double> y, const Scale& x_scale,
                     bool y_logarithmic, int columns);

}  // namespace vae_dist::plot
