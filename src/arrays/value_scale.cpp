#include "arrays/value_scale.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"

namespace vae_dist::arrays {

void ValueRange::include(std::span<const std::byte> image, PixelType type) {
  if (type == PixelType::float32)
    return include({reinterpret_cast<const float*>(image.data()), image.size() / sizeof(float)});
  unsigned char low = 255, high = 0;
  for (const std::byte value : image) {
    low = std::min(low, std::to_integer<unsigned char>(value));
    high = std::max(high, std::to_integer<unsigned char>(value));
  }
  if (image.empty()) return;
  least = std::min(least, static_cast<float>(low));
  largest = std::max(largest, static_cast<float>(high));
}

void ValueRange::include(std::span<const float> values) {
  // Independent lanes, which the compiler turns into vector instructions.
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> low, high;
  low.fill(least);
  high.fill(largest);
  const auto take = [&](std::size_t lane, float value) {
    low[lane] = value < low[lane] ? value : low[lane];
    high[lane] = value > high[lane] ? value : high[lane];
  };
  const float* at = values.data();
  for (std::size_t left = values.size() / kLanes; left > 0; --left, at += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(lane, at[lane]);
  for (; at < values.data() + values.size(); ++at) take(0, *at);
  least = *std::min_element(low.begin(), low.end());
  largest = *std::max_element(high.begin(), high.end());
}

double found_scale(const ValueRange& values, const hdf5::StoredNumber& number,
                   const std::string& where) {
  const auto remedy = base::text(
      ", so the scale cannot be determined. Set data.train.scale (or the dataset's attribute "
      "`scale`) to the factor that brings them to [0, 1].");
  if (values.least < 0)
    throw base::BadInput(
        base::text(where, " holds values below 0 (", values.least, " to ", values.largest,
                   "), but an image value times the scale must lie in [0, 1]. ",
                   "Shift the stored values; data.range sets the range that the model sees."));
  if (values.largest <= 1) return 1.0;
  if (number.is_byte() || values.largest <= 255) return 1.0 / 255.0;
  if (number.kind == hdf5::StoredNumber::Kind::unsigned_integer && number.bytes == 2)
    return 1.0 / 65535.0;
  throw base::BadInput(base::text(where, " holds values up to ", values.largest, remedy));
}

void check_given_scale(double scale, const ValueRange& values, const std::string& where) {
  const std::string given = base::text(
      where, ": its scale (data.train.scale, or the dataset's attribute `scale`) is ", scale);
  if (!std::isfinite(scale) || scale <= 0)
    throw base::BadInput(base::text(
        given,
        ", but it must be a number above 0 that brings stored values to [0, 1], for example ",
        1.0 / 255.0, " for values up to 255"));
  if (ValueLimits::of_scale(scale, std::nullopt).allows(values)) return;
  std::string remedy =
      values.least < 0
          ? "values below 0 are not supported, so shift the stored values"
          : base::text("the largest scale that fits these values is ", 1.0 / values.largest);
  throw base::BadInput(base::text(given, ", but it brings the stored values, which range from ",
                                  values.least, " to ", values.largest, ", to the range from ",
                                  values.least * scale, " to ", values.largest * scale,
                                  " instead of [0, 1]: ", remedy));
}

std::string doubt_about_scale(double scale, bool given, const ValueRange& values, bool fractions,
                              const hdf5::StoredNumber& number) {
  if (values.largest <= 0) return "all inspected images are black";
  if (given) {
    constexpr double kOneGreyLevel = 1.0 / 255.0;
    if (values.largest * scale >= kOneGreyLevel) return "";
    return base::text("the given scale ", scale, " turns the largest inspected value into ",
                      values.largest * scale,
                      ", so the pictures are black. A value times the scale must lie in [0, 1]");
  }
  const std::string set_it = "; if that is not intended, set data.train.scale";
  if (fractions && scale == 1.0 / 255.0)
    return base::text("fractional values up to ", values.largest,
                      " are taken as grey levels of 0 to 255 (for depth or another quantity, set "
                      "the scale to 1 / its largest value)",
                      set_it);
  if (number.kind == hdf5::StoredNumber::Kind::unsigned_integer && number.bytes == 2 &&
      scale == 1.0 / 65535.0)
    for (const int bits : {10, 12, 14}) {
      const int white = (1 << bits) - 1;
      if (values.largest <= static_cast<float>(white))
        return base::text("16-bit values up to ", values.largest,
                          " are taken as 0 to 65535, so the pictures are dark; a camera of ", bits,
                          " bits has the scale 1/", white, " = ", 1.0 / white, set_it);
    }
  return "";
}

ValueLimits ValueLimits::of_scale(double scale, std::optional<float> missing) {
  constexpr double kRounding = 1e-5;
  return {static_cast<float>(-kRounding / scale), static_cast<float>((1 + kRounding) / scale),
          missing};
}

std::string scale_text(double scale, const hdf5::StoredNumber& number) {
  if (scale == 1.0) return number.kind == hdf5::StoredNumber::Kind::ieee_float ? "0 to 1" : "0/1";
  if (scale == 1.0 / 255.0) return "0-255";
  if (scale == 1.0 / 65535.0) return "0-65535";
  return base::text("times ", scale);
}

}  // namespace vae_dist::arrays
