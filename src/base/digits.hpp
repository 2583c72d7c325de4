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

}  // namespace vae_dist
