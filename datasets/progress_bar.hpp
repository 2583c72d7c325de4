// How far a long task is, on stderr: one line that is redrawn on a terminal, four plain lines
// otherwise.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/clock.hpp"

namespace vae_dist::datasets {

/// Not for several threads at once.
class ProgressBar {
 public:
  /// On stderr; redrawn when that is a terminal.
  ProgressBar(std::string label, std::int64_t total);
  ProgressBar(std::string label, std::int64_t total, std::ostream& out, bool terminal);

  /// `done` of the total is done. The last call, with done = total, ends the line.
  void update(std::int64_t done);

 private:
  void redraw(std::int64_t done);
  void print_line(std::int64_t done);

  std::string label_;
  std::int64_t total_;
  std::ostream& out_;
  bool terminal_;
  int shown_ = -1;  ///< on a terminal the percentage, otherwise the quarters
  base::Stopwatch watch_;
};

}  // namespace vae_dist::datasets
