#include "plot/thinned_curve.hpp"

#include <algorithm>
#include <cmath>

namespace vae_dist::plot {
namespace {

// The values of one column.
struct Column {
  std::size_t shown = 0, not_finite = 0;
  double first_x = 0, sum_x = 0, sum_y = 0, low = 0, high = 0;

  void add(double x, double y, bool y_logarithmic) {
    if (shown + not_finite == 0) first_x = x;
    if (!std::isfinite(y)) ++not_finite;
    if (!can_show(y, y_logarithmic)) return;
    low = shown == 0 ? y : std::min(low, y);
    high = shown == 0 ? y : std::max(high, y);
    ++shown;
    sum_x += x;
    sum_y += y;
  }

  CurvePoint point() const {
    const auto count = static_cast<double>(shown);
    return {sum_x / count, std::clamp(sum_y / count, low, high), low, high};
  }
};

}  // namespace

ThinnedCurve thinned(std::span<const double> x, std::span<const double> y, const Scale& x_scale,
                     bool y_logarithmic, int columns) {
  const bool one_a_value = x.size() <= 2 * static_cast<std::size_t>(columns);
  const double width = x_scale.at_high() - x_scale.at_low();
  ThinnedCurve out;
  bool broken = true;  // the next point starts a new piece
  const auto finish = [&](const Column& column) {
    out.not_finite += column.not_finite;
    if (column.not_finite > 0) out.gaps.push_back(column.first_x);
    if (column.shown == 0) {
      broken = true;
      return;
    }
    if (broken) out.pieces.emplace_back();
    broken = false;
    out.pieces.back().push_back(column.point());
  };

  Column column;
  double current = -1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!can_show(x[i], x_scale.logarithmic())) continue;
    const double at =
        one_a_value ? static_cast<double>(i)
                    : std::clamp(std::floor(columns * (x_scale(x[i]) - x_scale.at_low()) / width),
                                 0.0, columns - 1.0);
    if (current >= 0 && at != current) {
      finish(column);
      column = {};
    }
    current = at;
    column.add(x[i], y[i], y_logarithmic);
  }
  if (current >= 0) finish(column);
  return out;
}

}  // namespace vae_dist::plot
