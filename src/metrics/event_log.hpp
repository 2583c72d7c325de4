// The curves of a run as TensorBoard's event files: what metrics.jsonl holds, the pictures, and the
// configuration.
//
// A start of the run makes the folder's file anew (and empties the one before it): of the events of
// earlier starts it keeps those that belong to lines of metrics.jsonl, and it adds what those lines
// hold beyond them. So steps that were lost with a killed job are gone, steps that a killed process
// or a full disk kept from the file are made up for, and a run that was begun without event files
// has all its curves.
//
// Nothing here ends a run: what cannot be written is missing from the curves, with one warning.
// Thread safety: one thread may call the functions; another one, its own, writes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "metrics/event_messages.hpp"
#include "metrics/step_log.hpp"

namespace vae_dist::metrics {

/// The configuration of a run, for the TEXT and HPARAMS tabs.
struct ShownConfiguration {
  std::string yaml;
  std::vector<std::pair<std::string, std::string>> values;  ///< of each key, as YAML
};

class EventLog {
 public:
  /// The time after which what was recorded is in the file.
  static constexpr base::Seconds kInterval{1};

  /// Makes the file in `folder`, which is created. `log`: metrics.jsonl, already cut back to
  /// `start_step`, the number of steps from which the run goes on.
  EventLog(const std::filesystem::path& folder, const std::filesystem::path& log,
           std::int64_t start_step, const ShownConfiguration& configuration);

  /// Writes what is pending.
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// Adds the numbers of a record of metrics.jsonl: each is a point of the curve "train/<name>",
  /// those of an evaluation "validation/<name>" (on training rows "training_rows/<name>"), and of
  /// records that are neither "run/<name>". An array of numbers is a histogram.
  void write(const LogRecord& record);

  /// Adds the picture `png` as "pictures/<kind>".
  void picture(const std::string& kind, std::int64_t step, const std::filesystem::path& png);

  /// Says that the run is complete.
  void complete(std::int64_t step);

 private:
  void begin(const std::filesystem::path& folder, const std::filesystem::path& log,
             std::int64_t start_step, const ShownConfiguration& configuration);
  void add(const std::string& event);
  void keep_writing();
  void write_out(const std::string& records);
  void warn(const std::string& reason);

  std::filesystem::path path_;
  int fd_ = -1;  // -1: the file could not be made
  bool warned_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string pending_;
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace vae_dist::metrics
