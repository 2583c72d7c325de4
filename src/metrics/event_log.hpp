// The curves of a run as TensorBoard's event files: what metrics.jsonl holds, the pictures, and the
// configuration.
//
// Where the file of the start before holds just that (event_history.hpp), it is continued.
// Otherwise a start of the run makes the folder's file anew and empties the one before it. So steps
// that were lost with a killed job are gone, steps and pictures that a killed process or a full
// disk kept from the file are made up for, and a run that was begun without event files has all its
// curves.
//
// Nothing here ends a run: what cannot be written is missing from the curves, with one warning.
// Thread safety: one thread may call the functions; another one, its own, writes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "metrics/event_history.hpp"
#include "metrics/step_log.hpp"

namespace vae_dist::metrics {

class EventLog {
 public:
  /// The time after which what was recorded is in the file.
  static constexpr base::Seconds kInterval{1};

  /// Makes or continues the file in `folder`, which is created. Other programs' files in it stay as
  /// they are.
  EventLog(const std::filesystem::path& folder, const EventHistory& history);

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
  void begin(const std::filesystem::path& folder, const EventHistory& history);
  void write_anew(const std::filesystem::path& folder, const EventHistory& history,
                  const std::filesystem::path& earlier);
  void start_writing();
  void add(const std::string& event);
  void keep_writing();
  void write_out(const std::string& records);
  void warn(const std::string& reason);

  std::filesystem::path path_;
  int fd_ = -1;  // -1: the file or its thread could not be made
  std::atomic<bool> warned_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string pending_;
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace vae_dist::metrics
