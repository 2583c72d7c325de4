// Thins long curves to at most one point per pixel column, keeping the column's minimum and
// maximum.
#pragma once

#include <span>
#include <vector>

#include "plot/axis.hpp"

namespace vae_dist::plot {

/// A point of the drawn line: y is the mean of the values that it stands for, low and high are
/// their minimum and maximum.
struct CurvePoint {
  double x = 0, y = 0, low = 0, high = 0;
};

struct ThinnedCurve {
  std::vector<std::vector<CurvePoint>> pieces;  ///< between gaps
  std::vector<double> gaps;                     ///< one x for each gap caused by non-finite values
  std::size_t not_finite = 0;                   ///< number of non-finite values
};

/// Thins a curve. Up to two values per column on average are kept as they are; with more, each of
/// the `columns` of the axis gets one point. If no value of a column can be shown (NaN, infinite,
/// at or below 0 on a logarithmic y), the line has a gap. x must ascend; a point whose x cannot be
/// shown is left out.
ThinnedCurve thinned(std::span<const double> x, std::span<const double> y, const Scale& x_scale,
                     bool y_logarithmic, int columns);

}  // namespace vae_dist::plot
