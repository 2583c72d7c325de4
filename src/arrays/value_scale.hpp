// The meaning of the values of a dataset: the factor that brings them to [0, 1], given or found by
// inspecting some of them, and the values that this factor allows.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "arrays/sample_layout.hpp"
#include "hdf5/stored_number.hpp"

namespace vae_dist::arrays {

struct ValueRange {
  float least = std::numeric_limits<float>::infinity(),
        largest = -std::numeric_limits<float>::infinity();

  void include(std::span<const std::byte> image, PixelType type);
  void include(std::span<const float> values);
};

/// Returns the scale that fits the values: 1 if no value is above 1 (binary images as in dSprites;
/// floats), 1/255 up to 255, 1/65535 for other 16-bit integers. Throws BadInput if values are below
/// 0 or could mean anything; `where` names the dataset.
double found_scale(const ValueRange& values, const hdf5::StoredNumber& number,
                   const std::string& where);

/// Throws BadInput if a given scale is not a finite number above 0, or does not bring these values
/// to [0, 1].
void check_given_scale(double scale, const ValueRange& values, const std::string& where);

/// Returns what may be wrong about a scale that fits the values, with the alternative; empty if
/// nothing. given: the scale was given, not found. fractions: some values are not whole numbers.
std::string doubt_about_scale(double scale, bool given, const ValueRange& values, bool fractions,
                              const hdf5::StoredNumber& number);

/// The attributes that may name the value of what is missing, as NetCDF has them.
inline constexpr std::array<const char*, 2> kMissingAttributes = {"_FillValue", "missing_value"};

/// Returns the first finite one of them: attribute(name) gives its value, or nothing.
template <typename Attribute>
std::optional<float> missing_value(Attribute attribute) {
  for (const char* const name : kMissingAttributes)
    if (const std::optional<double> value = attribute(name); value && std::isfinite(*value))
      return static_cast<float>(*value);
  return std::nullopt;
}

/// The stored values that may occur.
struct ValueLimits {
  float least = -std::numeric_limits<float>::infinity(),
        largest = std::numeric_limits<float>::infinity();
  std::optional<float> missing;  ///< marks a value that is not known

  /// Returns the limits of the values that a scale brings to [0, 1], with a tolerance for rounding.
  static ValueLimits of_scale(double scale, std::optional<float> missing);

  bool allows(float value) const { return value >= least && value <= largest && value != missing; }
  bool allows(const ValueRange& values) const {
    return values.least >= least && values.largest <= largest;
  }
  bool allows_all_finite() const {
    return least == -std::numeric_limits<float>::infinity() &&
           largest == std::numeric_limits<float>::infinity() && !missing;
  }
  /// Returns whether every value of one byte is allowed.
  bool allows_all_bytes() const { return least <= 0 && largest >= 255 && !missing; }
};

/// Returns a short text for messages: "0-255", "0/1", "times 0.1".
std::string scale_text(double scale, const hdf5::StoredNumber& number);

}  // namespace vae_dist::arrays
