// Numbers for people.
#pragma once

#include <sstream>
#include <string>

namespace vae_dist {

/// A few significant digits: "0.01234", "1.2e-05".
inline std::string digits(double value, int significant = 4) {
  std::ostringstream out;
  out.precision(significant);
  out << value;
  return out.str();
}

/// Of seconds: "12.5 ms".
inline std::string milliseconds(double seconds) { return digits(1e3 * seconds) + " ms"; }

}  // namespace vae_dist
