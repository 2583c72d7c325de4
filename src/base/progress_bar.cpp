#include "base/progress_bar.hpp"

#include <unistd.h>

#include <cmath>
#include <iostream>
#include <utility>

#include "base/text.hpp"

namespace vae_dist::base {

ProgressBar::ProgressBar(std::string label, std::int64_t total)
    : ProgressBar(std::move(label), total, std::cerr, ::isatty(STDERR_FILENO) == 1) {}

ProgressBar::ProgressBar(std::string label, std::int64_t total, std::ostream& out, bool terminal)
    : label_(std::move(label)), total_(total), out_(out), terminal_(terminal) {}

void ProgressBar::update(std::int64_t done) {
  const int steps = terminal_ ? 100 : 4;
  const int reached =
      static_cast<int>(static_cast<double>(done) / static_cast<double>(total_) * steps);
  if (reached == shown_) return;
  shown_ = reached;
  if (terminal_)
    redraw(done);
  else if (reached > 0)
    print_line(done);
}

void ProgressBar::redraw(std::int64_t done) {
  constexpr int kWidth = 30;
  const double part = static_cast<double>(done) / static_cast<double>(total_);
  const int filled = static_cast<int>(part * kWidth);
  const double seconds_left = done > 0 ? watch_.elapsed().count() * (1.0 / part - 1.0) : 0.0;
  const std::string ending = done == total_
                                 ? text("in ", std::lround(watch_.elapsed().count()), " s")
                                 : text(std::lround(seconds_left), " s left");
  // "\x1b[K" clears the rest of a longer previous line.
  out_ << "\r" << label_ << " [" << std::string(static_cast<std::size_t>(filled), '=')
       << std::string(static_cast<std::size_t>(kWidth - filled), ' ') << "] " << done << "/"
       << total_ << ", " << ending << "\x1b[K" << (done == total_ ? "\n" : "") << std::flush;
}

void ProgressBar::print_line(std::int64_t done) {
  out_ << text(label_, ": ", done, " of ", total_, "\n") << std::flush;
}

}  // namespace vae_dist::base
