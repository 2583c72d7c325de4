// Numbers for people.
#pragma once

#include <array>
#include <cstddef>
#include <sstream>
#include <string>

namespace vae_dist::base {

/// A few significant digits: "0.01234", "1.2e-05".
inline std::string digits(double value, int significant = 4) {
  std::ostringstream out;
  out.precision(significant);
  out << value;
  return out.str();
}

/// Of seconds: "12.5 ms".
inline std::string milliseconds(double seconds) { return digits(1e3 * seconds) + " ms"; }

/// "45.2 MB", in powers of 1000.
inline std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  // What three digits would round to 1000 is one of the next unit.
  for (; bytes >= 999.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  return digits(bytes, 3) + " " + kUnits[unit];
}

}  // namespace vae_dist::base
