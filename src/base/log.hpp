// Messages to the user on stderr. Rank 0 prints all messages; other ranks print only warnings and
// errors, marked with their rank. All functions are thread-safe.
#pragma once

#include <string>

namespace vae_dist::log {

enum class Level { debug, info, warn, error };

/// Sets rank and level. Call it once, as soon as both are known; until then every message of level
/// info or above is printed. Level names are those of `log.level`.
void configure(int rank, int world_size, Level level);

void debug(const std::string& message);
void info(const std::string& message);
void warn(const std::string& message);
void error(const std::string& message);

/// On a terminal, shows one line of ASCII below all messages, in place of the previous status line,
/// cut to the terminal's width. Elsewhere a no-op.
void status(const std::string& line);

/// Leaves the last status line on the screen; later output starts on a new line.
void keep_status();

}  // namespace vae_dist::log
