// Writes a run directory's report.html: the content of metrics.jsonl, config.yaml, environment.json
// and pictures/, on one page.
#pragma once

#include <filesystem>
#include <span>

#include "report/run_log_reader.hpp"
#include "report/run_report.hpp"

namespace vae_dist::report {

/// Rewrites a run's report as the run progresses; reads metrics.jsonl from where it stopped.
class RunReportFile {
 public:
  /// Reads and writes nothing yet.
  explicit RunReportFile(const std::filesystem::path& directory);

  /// Reads new data and replaces <directory>/report.html. Throws BadInput if there is no
  /// metrics.jsonl, Failure if the page cannot be written.
  void write();

  /// Reads new data without writing the page.
  const RunRecord& read();

 private:
  std::filesystem::path directory_;
  RunLogReader log_;
  RunRecord run_;
};

/// Writes the report once.
void write_run_report(const std::filesystem::path& directory);

/// Writes one page with the overlaid curves of several runs.
void write_comparison_report(std::span<const std::filesystem::path> directories,
                             const std::filesystem::path& out);

}  // namespace vae_dist::report
