// Formats the time of day for people.
#pragma once

#include <ctime>
#include <string>

namespace vae_dist::base {

/// Formats the current time in UTC with a strftime format: "%Y-%m-%d %H:%M UTC".
inline std::string utc_now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char buffer[64];
  std::strftime(buffer, sizeof buffer, format, &parts);
  return buffer;
}

}  // namespace vae_dist::base
