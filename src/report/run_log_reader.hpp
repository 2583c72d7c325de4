// Reads metrics.jsonl as it grows, into the record that a report shows.
#pragma once

#include <filesystem>
#include <string_view>

#include "report/run_report.hpp"

namespace vae_dist::report {

/// Adds a line of metrics.jsonl to `run`. Every number of a step becomes a point of the curve with
/// its name; null becomes NaN. A line with "evaluated" is an evaluation; its "kld_per_dimension"
/// (an array) replaces the run's. A line with "ranks" (an array of objects with rank, host,
/// step_seconds, data_wait_seconds, allreduce_wait_seconds) replaces the run's times of ranks.
/// Ignores lines that are not JSON objects.
void add_log_line(std::string_view line, RunRecord& run);

class RunLogReader {
 public:
  explicit RunLogReader(std::filesystem::path path) : path_(std::move(path)) {}

  /// Adds the complete lines that were not read before. If the file has become shorter (a resumed
  /// run truncated it), clears what was read from `run` and starts over. Throws BadInput if the
  /// file cannot be read.
  void read_into(RunRecord& run);

 private:
  std::filesystem::path path_;
  std::uintmax_t read_ = 0;  // bytes
};

}  // namespace vae_dist::report
