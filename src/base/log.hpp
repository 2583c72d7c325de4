// Messages to people, on stderr. Rank 0 speaks for the run; other ranks are heard only with
// warnings and errors, marked by rank. Any thread may speak.
#pragma once

#include <string>

namespace vae_dist::log {

enum class Level { debug, info, warn, error };

/// Call once, when rank and level are known; before that everything from info up is printed. Level
/// names as in `log.level`.
void configure(int rank, int world_size, Level level);

void debug(const std::string& message);
void info(const std::string& message);
void warn(const std::string& message);
void error(const std::string& message);

/// On a terminal: one line of ASCII below all messages, in place of the one before, cut to the
/// terminal's width. Elsewhere nothing.
void status(const std::string& line);

/// The last status line stays as it is, and what follows starts on a new line.
void keep_status();

}  // namespace vae_dist::log
