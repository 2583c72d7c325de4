// metrics.jsonl: one line with a JSON object for each logged step and evaluation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vae_dist::metrics {

/// Named values, in order.
using PlainRecord =
    std::vector<std::pair<std::string, std::variant<std::int64_t, double, std::string>>>;

/// Named values that may also be arrays of numbers or of records. Numbers are written with enough
/// digits to read back to the same bits; non-finite numbers are written as null.
using LogRecord = std::vector<
    std::pair<std::string, std::variant<std::int64_t, double, std::string, std::vector<double>,
                                        std::vector<PlainRecord>>>>;

/// Returns `record` as one line of JSON, including the newline.
std::string json_line(const LogRecord& record);

/// Returns the record that such a line holds; null becomes NaN, and arrays of records are left out.
/// Empty if the line is not a JSON object, such as one cut off when the process was killed.
std::optional<LogRecord> record_in(std::string_view line);

/// Returns the lines of `log` that a run resumed after `resume_step` steps keeps, unchanged: lines
/// whose "step" is at most `resume_step`, and lines without one. Drops lines that are not JSON
/// objects, such as a line cut off when the process was killed. With `evaluates_again`, also drops
/// the evaluations at `resume_step`, because the run repeats them.
std::string lines_up_to(std::string_view log, std::int64_t resume_step,
                        bool evaluates_again = false);

/// Returns the lines of `last_steps` whose steps come after every step with a loss in `log`. Both
/// are lines of step logs.
std::string lines_after(std::string_view log, std::string_view last_steps);

class StepLog {
 public:
  /// Opens the file for appending. On a resume at `resume_step`, first drops lines of later steps
  /// (from before the interruption) and incomplete lines, so that the file reads as one
  /// uninterrupted run. Then adds those `last_steps` up to `resume_step` that it lacks: lines of
  /// steps that were trained before the interruption, but not logged any more. Throws BadInput if
  /// the file cannot be opened, Failure if it cannot be rewritten.
  StepLog(const std::filesystem::path& path, std::int64_t resume_step, bool evaluates_again = false,
          std::string_view last_steps = {});
  ~StepLog();
  StepLog(const StepLog&) = delete;
  StepLog& operator=(const StepLog&) = delete;

  /// Appends one line and passes it to the operating system, so that it outlives the process. The
  /// first failed write (disk full) logs a warning. A failed write leaves no partial line.
  void write(const LogRecord& record);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  bool failed_ = false;
};

}  // namespace vae_dist::metrics
