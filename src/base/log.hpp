// Messages to people, on stderr. Rank 0 speaks for the run; other ranks are heard only with warnings and errors, marked by rank.
#pragma once

#include <string>

namespace vae_dist::log {

enum class Level { debug, info, warn, error };

/// Call once, when rank and level are known; before that everything from info up is printed. Level names as in `log.level`.
void configure(int rank, int world_size, Level level);

void debug(const std::string& message);
void info(const std::string& message);
void warn(const std::string& message);
void error(const std::string& message);

}  // namespace vae_dist::log
