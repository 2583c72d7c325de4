// Axes: from values to positions, and ticks at round values with labels that tell them apart.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::plot {

struct Range {
  double low = 0, high = 1;
};

/// True if an axis can show `value`: finite, and above 0 on a logarithmic one.
bool can_show(double value, bool logarithmic);

/// The smallest range with all values that the axis can show, widened to `before`; `before` where
/// there are none.
std::optional<Range> range_of(std::span<const double> values, bool logarithmic,
                              std::optional<Range> before = {});

/// `range` with some air on both sides, and from 0 where the values start near it. A single value
/// gets room around it.
Range padded(Range range, bool logarithmic);

/// A value's place on an axis that runs from `at_low` to `at_high`.
class Scale {
 public:
  Scale(Range range, bool logarithmic, double at_low, double at_high);

  /// For values that the axis can show; beyond the range it goes on.
  double operator()(double value) const;

  const Range& range() const { return range_; }
  bool logarithmic() const { return logarithmic_; }
  double at_low() const { return at_low_; }
  double at_high() const { return at_high_; }

 private:
  Range range_;
  bool logarithmic_;
  double at_low_, at_high_, factor_;
};

struct Tick {
  double value = 0;
  std::string label;  ///< empty: a small tick between decades
};

/// Ticks inside `range`, about `wanted` of them with labels: multiples of 1, 2 or 5 times a power
/// of ten, on a logarithmic axis powers of ten (2 and 5 times them as well where it has few). Large
/// numbers are written with k, M, G, small ones with a power of ten.
std::vector<Tick> ticks(Range range, bool logarithmic, int wanted);

/// Four significant digits for a person: "0.02134", "12.19", "429", "1.2×10⁻⁵"; "not finite" for
/// NaN and infinities.
std::string number_label(double value);

/// "1,234,567".
std::string grouped(long long number);

}  // namespace vae_dist::plot
