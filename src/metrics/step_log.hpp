// metrics.jsonl: one JSON object a line for each logged step and evaluation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vae_dist::metrics {

/// Named values in order.
using PlainRecord =
    std::vector<std::pair<std::string, std::variant<std::int64_t, double, std::string>>>;

/// The same, among them arrays of numbers and of records. Numbers are written with as many digits
/// as read back to the same bits; one that is not finite as null.
using LogRecord = std::vector<
    std::pair<std::string, std::variant<std::int64_t, double, std::string, std::vector<double>,
                                        std::vector<PlainRecord>>>>;

/// `record` as one line of JSON, with its newline.
std::string json_line(const LogRecord& record);

/// The lines of `log` that a run resumed after `resume_step` steps keeps, unchanged: those whose
/// "step" is at most `resume_step`, and those without one. What is no JSON object (a line cut off
/// when the process was killed) goes; where the run `evaluates_again` at that step, so do that
/// step's evaluations.
std::string lines_up_to(std::string_view log, std::int64_t resume_step,
                        bool evaluates_again = false);

class StepLog {
 public:
  /// Opens for appending. On a resume at `resume_step`, lines of later steps (from before the
  /// interruption, or cut off in mid-line) are dropped first, so the file reads as one
  /// uninterrupted run. Throws BadInput if it cannot be opened, Failure if it cannot be rewritten.
  StepLog(const std::filesystem::path& path, std::int64_t resume_step,
          bool evaluates_again = false);
  ~StepLog();
  StepLog(const StepLog&) = delete;
  StepLog& operator=(const StepLog&) = delete;

  /// Appends one line and hands it to the system, so that it outlives the process. A failed write
  /// (disk full) is a warning, once, and leaves no part of a line.
  void write(const LogRecord& record);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  bool failed_ = false;
};

}  // namespace vae_dist::metrics
