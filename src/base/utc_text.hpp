// The time of day in words, for people.
#pragma once

#include <ctime>
#include <string>

namespace vae_dist::base {

/// Now, as strftime's `format` says it, in UTC: "%Y-%m-%d %H:%M UTC".
inline std::string utc_now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char buffer[64];
  std::strftime(buffer, sizeof buffer, format, &parts);
  return buffer;
}

}  // namespace vae_dist::base
