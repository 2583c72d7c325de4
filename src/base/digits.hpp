// Formats numbers for people.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

namespace vae_dist::base {

/// Formats `value` with a few significant digits: "0.01234", "1.2e-05".
inline std::string digits(double value, int significant = 4) {
  std::ostringstream out;
  out.precision(significant);
  out << value;
  return out.str();
}

/// Returns the number that `text` is, from its first to its last character; empty: it is none.
inline std::optional<double> number_in(const std::string& text) {
  try {
    std::size_t used = 0;
    const double number = std::stod(text, &used);
    return used == text.size() ? std::optional(number) : std::nullopt;
  } catch (const std::logic_error&) {  // no number, or one that is too large
    return std::nullopt;
  }
}

/// Formats seconds as milliseconds: "12.5 ms".
inline std::string milliseconds(double seconds) { return digits(1e3 * seconds) + " ms"; }

/// Formats a number of bytes with a unit, in powers of 1000: "45.2 MB".
inline std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  // A value that would round to 1000 with three digits moves to the next unit.
  for (; bytes >= 999.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  return digits(bytes, 3) + " " + kUnits[unit];
}

}  // namespace vae_dist::base
