// A failing rank's last words: unbuffered to stderr, and to errors/rank_<k>.txt of the run once
// there is one.
#pragma once

#include <exception>
#include <string>

namespace vae_dist::launcher {

class FailureReport {
 public:
  FailureReport(int rank, int world_size) : rank_(rank), world_size_(world_size) {}

  void set_directory(const std::string& errors) { directory_ = errors; }

  /// An error that is everybody's, for rank 0 to tell: no rank is named.
  void print(const std::exception& error) const;

  /// This rank's own error: the rank is named. `details`: further lines, or nothing.
  void fail(const std::exception& error, const std::string& details = "") const;

 private:
  void tell(const std::string& message) const;

  int rank_, world_size_;
  std::string directory_;
};

}  // namespace vae_dist::launcher
