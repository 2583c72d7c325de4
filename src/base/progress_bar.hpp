// Shows the progress of a long task on stderr: one line that is redrawn on a terminal, four plain
// lines otherwise.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/clock.hpp"

namespace vae_dist::base {

/// Not thread-safe.
class ProgressBar {
 public:
  /// Writes to stderr and redraws the line if that is a terminal.
  ProgressBar(std::string label, std::int64_t total);
  ProgressBar(std::string label, std::int64_t total, std::ostream& out, bool terminal);

  /// Shows that `done` of the total is done. The last call, with done = total, ends the line.
  void update(std::int64_t done);

 private:
  void redraw(std::int64_t done);
  void print_line(std::int64_t done);

  std::string label_;
  std::int64_t total_;
  std::ostream& out_;
  bool terminal_;
  int shown_ = -1;  ///< what was shown last: per cent on a terminal, otherwise quarters
  Stopwatch watch_;
};

}  // namespace vae_dist::base
