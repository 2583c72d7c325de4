// report.html of a run that goes on, kept current without the run paying for it.
#pragma once

#include <filesystem>

#include "base/clock.hpp"
#include "report/run_report_file.hpp"

namespace vae_dist::report {

class KeptReport {
 public:
  explicit KeptReport(std::filesystem::path directory) : file_(std::move(directory)) {}

  /// Writes the page anew, unless that would come to take more than 2 % of the time (short epochs):
  /// then the next call may. A page that cannot be written (a full disk) is a warning.
  void refresh();

  /// Writes it in any case: the run ends.
  void finish();

 private:
  RunReportFile file_;
  base::Seconds took_{0};
  base::Stopwatch since_written_;
  bool failed_ = false;
};

}  // namespace vae_dist::report
