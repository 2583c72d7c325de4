#include "plot/axis.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

// Uses std::to_chars because the decimal separator must not depend on the locale.
std::string fixed(double value, int decimals) {
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value),
                                 std::chars_format::fixed, decimals)
                       .ptr;
  const std::string digits(buffer, end);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return (value < 0 && !zero ? "\u2212" : "") + digits;
}

std::string trimmed(std::string digits) {
  if (digits.find('.') == std::string::npos) return digits;
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

std::string power_of_ten(int exponent) {
  static constexpr const char* kRaised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out = exponent < 0 ? "10⁻" : "10";
  for (const char digit : std::to_string(std::abs(exponent))) out += kRaised[digit - '0'];
  return out;
}

int exponent_of(double value) {
  return static_cast<int>(std::floor(std::log10(std::fabs(value)) + 1e-9));
}

// All labels of an axis share one unit: plain, k, M, G, or a power of ten.
struct LabelStyle {
  double unit = 1;
  std::string suffix;
  int decimals = 0;

  std::string operator()(double value) const {
    if (value == 0) return "0";
    if (unit == 1 && decimals == 0)
      return (value < 0 ? "\u2212" : "") + grouped(std::llround(std::fabs(value)));
    return fixed(value / unit, decimals) + suffix;
  }
};

LabelStyle style_of(double largest, double step) {
  LabelStyle style;
  const int exponent = exponent_of(largest);
  if (exponent >= 12 || exponent < -3)
    style = {std::pow(10.0, exponent), "×" + power_of_ten(exponent), 0};
  else if (exponent >= 9)
    style = {1e9, "G", 0};
  else if (exponent >= 6)
    style = {1e6, "M", 0};
  else if (exponent >= 4)
    style = {1e3, "k", 0};
  style.decimals = std::clamp(-exponent_of(step / style.unit), 0, 12);
  return style;
}

double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::vector<Tick> linear_ticks(Range range, int wanted) {
  const double span = range.high - range.low;
  const double step = round_step(span / std::max(1, wanted));
  const LabelStyle label = style_of(std::max(std::fabs(range.low), std::fabs(range.high)), step);
  std::vector<Tick> out;
  const double first = std::ceil(range.low / step - 1e-9),
               last = std::floor(range.high / step + 1e-9);
  // More than 2^53 steps from 0, adjacent ticks are the same number.
  for (double i = first; i <= last && out.size() < 100; ++i)
    out.push_back({i * step, label(i * step)});
  return out;
}

std::string decade_label(double value) {
  const int exponent = exponent_of(value);
  const double factor = std::round(value / std::pow(10.0, exponent));
  if (exponent >= -4 && exponent < 3) return trimmed(fixed(value, std::max(0, -exponent)));
  if (exponent == 3) return grouped(std::llround(value));
  return (factor == 1 ? "" : fixed(factor, 0) + "×") + power_of_ten(exponent);
}

std::vector<Tick> decade_ticks(Range range, int wanted) {
  const double decades = std::log10(range.high / range.low);
  const int first = static_cast<int>(std::floor(std::log10(range.low))),
            last = static_cast<int>(std::ceil(std::log10(range.high)));
  const int every = std::max(1, static_cast<int>(std::ceil(decades / std::max(1, wanted))));
  std::vector<Tick> out;
  for (int exponent = first; exponent <= last; ++exponent) {
    for (int factor = 1; factor < 10; ++factor) {
      if (factor > 1 && decades > 8) break;
      const double value = factor * std::pow(10.0, exponent);
      if (value < range.low * (1 - 1e-9) || value > range.high * (1 + 1e-9)) continue;
      const bool labelled =
          factor == 1 ? exponent % every == 0 : (factor == 2 || factor == 5) && decades < 2.5;
      out.push_back({value, labelled ? decade_label(value) : ""});
    }
  }
  return out;
}

}  // namespace

bool can_show(double value, bool logarithmic) {
  return std::isfinite(value) && (!logarithmic || value > 0);
}

std::optional<Range> range_of(std::span<const double> values, bool logarithmic,
                              std::optional<Range> before) {
  for (const double value : values) {
    if (!can_show(value, logarithmic)) continue;
    if (!before) before = Range{value, value};
    before->low = std::min(before->low, value);
    before->high = std::max(before->high, value);
  }
  return before;
}

Range padded(Range range, bool logarithmic) {
  if (logarithmic) {
    const double ratio = range.high / range.low;
    const double air = ratio > 1.0001 ? std::pow(ratio, 0.05) : 2;
    return {std::max(range.low / air, 1e-300), std::min(range.high * air, 1e300)};
  }
  const double span = range.high - range.low;
  const double size = std::max(std::fabs(range.low), std::fabs(range.high));
  if (span <= 1e-9 * size || span == 0) {
    const double air = size > 0 ? 0.1 * size : 1;
    return {range.low - air, range.high + air};
  }
  const double air = 0.05 * span;
  Range out{range.low - air, range.high + air};
  if (range.low >= 0 && range.low < 0.3 * range.high) out.low = 0;
  return out;
}

Scale::Scale(Range range, bool logarithmic, double at_low, double at_high)
    : range_(range), logarithmic_(logarithmic), at_low_(at_low), at_high_(at_high) {
  const bool usable = can_show(range.low, logarithmic) && can_show(range.high, logarithmic) &&
                      range.low < range.high;
  if (!usable)
    throw base::BadInput(base::text("an axis cannot run from ", range.low, " to ", range.high,
                                    logarithmic ? " on a logarithmic scale" : ""));
  factor_ = (at_high - at_low) /
            (logarithmic ? std::log(range.high / range.low) : range.high - range.low);
}

double Scale::operator()(double value) const {
  return at_low_ + factor_ * (logarithmic_ ? std::log(value / range_.low) : value - range_.low);
}

std::vector<Tick> ticks(Range range, bool logarithmic, int wanted) {
  if (!logarithmic) return linear_ticks(range, wanted);
  // A range below about a decade contains too few powers of ten, so it gets round values as on a
  // linear axis, at their logarithmic positions.
  return range.high / range.low < 8 ? linear_ticks(range, wanted) : decade_ticks(range, wanted);
}

std::string number_label(double value) {
  if (!std::isfinite(value)) return "not finite";
  if (value == 0) return "0";
  const int exponent = exponent_of(value);
  if (exponent < -4 || exponent >= 9)
    return trimmed(fixed(value / std::pow(10.0, exponent), 2)) + "×" + power_of_ten(exponent);
  if (exponent >= 4 || (exponent == 3 && value == std::round(value)))
    return (value < 0 ? "\u2212" : "") + grouped(std::llround(std::fabs(value)));
  return trimmed(fixed(value, std::max(0, 3 - exponent)));
}

std::string grouped(long long number) {
  std::string digits = std::to_string(number);
  const std::ptrdiff_t sign = number < 0 ? 1 : 0;
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > sign; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

}  // namespace vae_dist::plot
