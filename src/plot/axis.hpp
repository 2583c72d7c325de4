// Axes: map values to positions, and place ticks at round values with distinguishable labels.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::plot {

struct Range {
  double low = 0, high = 1;
};

/// Returns whether an axis can show `value`: it must be finite and, on a logarithmic axis, above 0.
bool can_show(double value, bool logarithmic);

/// Returns the smallest range that contains `before` and all values that the axis can show. Returns
/// `before` if there are none.
std::optional<Range> range_of(std::span<const double> values, bool logarithmic,
                              std::optional<Range> before = {});

/// Returns `range` with some space on both sides, and starting at 0 if the values start near it. A
/// single value gets space around it.
Range padded(Range range, bool logarithmic);

/// Maps values to positions on an axis that runs from `at_low` to `at_high`.
class Scale {
 public:
  Scale(Range range, bool logarithmic, double at_low, double at_high);

  /// Takes values that the axis can show; extrapolates beyond the range.
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
  std::string label;  ///< empty: a minor tick between decades
};

/// Returns ticks inside `range`, about `wanted` of them with labels: multiples of 1, 2 or 5 times a
/// power of ten; on a logarithmic axis, powers of ten (and 2 and 5 times them if the range covers
/// few). Labels use k, M or G for large numbers and a power of ten for small ones.
std::vector<Tick> ticks(Range range, bool logarithmic, int wanted);

/// Returns four significant digits for a reader: "0.02134", "12.19", "429", "1.2×10⁻⁵"; "not
/// finite" for NaN and infinities.
std::string number_label(double value);

/// Returns the number with separators: "1,234,567".
std::string grouped(long long number);

}  // namespace vae_dist::plot
