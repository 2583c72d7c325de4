// Keeps report.html of a run in progress up to date at little cost to the run.
#pragma once

#include <filesystem>

#include "base/clock.hpp"
#include "report/run_report_file.hpp"

namespace vae_dist::report {

class KeptReport {
 public:
  explicit KeptReport(const std::filesystem::path& directory) : file_(directory) {}

  /// Rewrites the page, unless that would take more than 2 % of the time (short epochs); then a
  /// later call may do so. If the page cannot be written (a full disk), only warns.
  void refresh();

  /// Rewrites the page in any case, at the end of the run.
  void finish();

 private:
  RunReportFile file_;
  base::Seconds took_{0};
  base::Stopwatch since_written_;
  bool failed_ = false;
};

}  // namespace vae_dist::report
