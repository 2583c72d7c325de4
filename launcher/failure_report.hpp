// Prints the error of a failing rank, unbuffered, to stderr and to errors/rank_<k>.txt of the run
// once that directory exists.
#pragma once

#include <exception>
#include <string>

namespace vae_dist::launcher {

class FailureReport {
 public:
  FailureReport(int rank, int world_size) : rank_(rank), world_size_(world_size) {}

  void set_directory(const std::string& errors) { directory_ = errors; }

  /// Prints an error that all ranks share. Called by rank 0; names no rank.
  void print(const std::exception& error) const;

  /// Prints an error of this rank and names the rank. `details` holds further lines or is empty.
  /// Takes no lock.
  void fail(const std::exception& error, const std::string& details = "") const;

 private:
  void tell(const std::string& message) const;

  int rank_, world_size_;
  std::string directory_;
};

}  // namespace vae_dist::launcher
