#include "base/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace vae_dist::log {
namespace {

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// A plain logger of our own: the default one writes to stdout, where verbs print their results.
spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("vae_dist", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%^%v%$");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

}  // namespace

void configure(int rank, int world_size, Level level) {
  logger().set_level(rank == 0 ? native(level) : std::max(native(level), spdlog::level::warn));
  logger().set_pattern(world_size > 1 && rank > 0 ? "%^[rank " + std::to_string(rank) + "] %v%$" : "%^%v%$");
}

void debug(const std::string& message) { logger().debug("{}", message); }
void info(const std::string& message) { logger().info("{}", message); }
void warn(const std::string& message) { logger().warn("warning: {}", message); }
void error(const std::string& message) { logger().error("{}", message); }

}  // namespace vae_dist::log
