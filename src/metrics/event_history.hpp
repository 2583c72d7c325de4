// What the event file of a run must hold when the run goes on, from what its directory tells:
// metrics.jsonl has the values of all curves and the folder of pictures all pictures. An event file
// of an earlier start adds only when they happened.
//
// Files are read and written event by event, so that no start of a long run needs much memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/step_log.hpp"

namespace vae_dist::metrics {

/// The configuration of a run, for the TEXT and HPARAMS tabs.
struct ShownConfiguration {
  std::string yaml;
  std::vector<std::pair<std::string, std::string>> values;  ///< of each key, as YAML
};

/// The part of a run that has been trained.
struct EventHistory {
  std::filesystem::path log;       ///< metrics.jsonl, already cut back to `start_step`
  std::filesystem::path pictures;  ///< the folder with <kind>_<step>.png, of `start_step` or before
  std::int64_t start_step = 0;     ///< the number of steps from which the run goes on
  ShownConfiguration configuration;
};

/// A new file has this many of the newest pictures of each kind; TensorBoard shows ten. Twice as
/// many are tolerated in a file that is otherwise right, so that it need not be written again at
/// every start.
constexpr std::size_t kPicturesOfEachKind = 20;

/// The first part of the tag of a picture, before its kind.
constexpr std::string_view kPictureGroup = "pictures/";

/// Returns the events of a record of metrics.jsonl; none if it has no step or no numbers.
std::vector<std::string> events_of(const LogRecord& record, double wall_time);

/// Returns whether the event file holds exactly this history, so that it can be continued.
bool holds(const std::filesystem::path& file, const EventHistory& history);

/// Passes a file's events on, in order. `earlier`: an event file that may know when they happened;
/// it may be missing, and hold other values and steps. `wall_time`: now.
void for_each_event(const EventHistory& history, const std::filesystem::path& earlier,
                    double wall_time, const std::function<void(std::string_view)>& take);

}  // namespace vae_dist::metrics
