// A run directory's report.html: what is in metrics.jsonl, config.yaml, environment.json and
// pictures/, on one page.
#pragma once

#include <filesystem>
#include <span>

#include "report/run_log_reader.hpp"
#include "report/run_report.hpp"

namespace vae_dist::report {

/// Writes a run's report anew as the run goes on; metrics.jsonl is read where it was left.
class RunReportFile {
 public:
  /// Nothing is read or written yet.
  explicit RunReportFile(std::filesystem::path directory);

  /// Reads what is new and replaces <directory>/report.html. Throws BadInput where there is no
  /// metrics.jsonl, Failure where the page cannot be written.
  void write();

  /// Reads what is new, and leaves the page alone.
  const RunRecord& read();

 private:
  std::filesystem::path directory_;
  RunLogReader log_;
  RunRecord run_;
};

/// The same once, for a run that need not go on.
void write_run_report(const std::filesystem::path& directory);

/// One page with the curves of several runs laid over each other.
void write_comparison_report(std::span<const std::filesystem::path> directories,
                             const std::filesystem::path& out);

}  // namespace vae_dist::report
