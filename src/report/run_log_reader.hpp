// Reads metrics.jsonl as it grows, into what a report shows.
#pragma once

#include <filesystem>
#include <string_view>

#include "report/run_report.hpp"

namespace vae_dist::report {

/// Adds a line of metrics.jsonl to `run`. Every number of a step becomes a point of the curve of
/// its name, null a NaN. A line with "evaluated" is an evaluation; its "kld_per_dimension" (an
/// array) replaces the run's. A line with "ranks" (an array of objects with rank, host,
/// step_seconds, data_wait_seconds, allreduce_wait_seconds) replaces the run's times of ranks. What
/// is no JSON object is passed over.
void add_log_line(std::string_view line, RunRecord& run);

class RunLogReader {
 public:
  explicit RunLogReader(std::filesystem::path path) : path_(std::move(path)) {}

  /// Adds the lines that are complete and were not read before. A file that has become shorter (a
  /// resumed run cut it) is read from its start, into a `run` cleared of what was read. Throws
  /// BadInput where the file cannot be read.
  void read_into(RunRecord& run);

 private:
  std::filesystem::path path_;
  std::uintmax_t read_ = 0;  // bytes
};

}  // namespace vae_dist::report
