#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>

#include "base/terminal.hpp"

namespace vae_dist::log {
namespace {

constexpr const char* kPlain = "";
constexpr const char* kYellow = "\x1b[33m";
constexpr const char* kRed = "\x1b[31m";

std::mutex speaking;
std::string who;               // "[rank 3] "
std::size_t status_width = 0;  // of the status line on the screen; 0: none

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// A plain logger: spdlog's default one writes to stdout, where verbs print their results.
spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("vae_dist",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

// Returns the escape sequence that erases the status line, whether this rank wrote it or another
// rank on the same terminal.
std::string clearing() {
  if (!base::on_terminal()) return "";
  // The line takes several rows if the terminal has become narrower since it was written.
  const std::size_t columns = base::terminal_columns(),
                    rows_above = columns > 0 && status_width > 0 ? (status_width - 1) / columns : 0;
  return (rows_above > 0 ? "\x1b[" + std::to_string(rows_above) + "A" : "") + "\r\x1b[J";
}

void say(Level level, const char* colour, const std::string& message) {
  const std::lock_guard lock(speaking);
  if (!logger().should_log(native(level))) return;
  const bool coloured = *colour != '\0' && base::on_terminal();
  logger().log(native(level), "{}",
               clearing() + (coloured ? colour : "") + who + message + (coloured ? "\x1b[0m" : ""));
  status_width = 0;
}

}  // namespace

void configure(int rank, int world_size, Level level) {
  const std::lock_guard lock(speaking);
  logger().set_level(rank == 0 ? native(level) : std::max(native(level), spdlog::level::warn));
  who = world_size > 1 && rank > 0 ? "[rank " + std::to_string(rank) + "] " : "";
}

void debug(const std::string& message) { say(Level::debug, kPlain, message); }
void info(const std::string& message) { say(Level::info, kPlain, message); }
void warn(const std::string& message) { say(Level::warn, kYellow, "warning: " + message); }
void error(const std::string& message) { say(Level::error, kRed, message); }

void status(const std::string& line) {
  if (!base::on_terminal()) return;
  const std::lock_guard lock(speaking);
  const std::size_t columns = base::terminal_columns();
  const std::string shown =
      columns > 1 ? line.substr(0, columns - 1) : line;  // a full line wraps on some terminals
  // Wrapping is off meanwhile, in case the terminal has become narrower but has not reported it
  // yet.
  const std::string out = clearing() + "\x1b[?7l" + shown + "\x1b[?7h";
  std::fwrite(out.data(), 1, out.size(), stderr);
  status_width = shown.size();
}

void keep_status() {
  const std::lock_guard lock(speaking);
  if (status_width > 0) std::fputc('\n', stderr);
  status_width = 0;
}

}  // namespace vae_dist::log
