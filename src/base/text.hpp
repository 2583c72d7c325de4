// Builds a sentence from values: text("row ", 7, " of ", path).
#pragma once

#include <sstream>
#include <string>

namespace vae_dist::base {

template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.precision(10);
  (out << ... << parts);
  return out.str();
}

}  // namespace vae_dist::base
