// Whether another process of this node, with which memory is shared, is still at work.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.hpp"

namespace vae_dist::data {

/// In which this process has its number: one of another container has a number that means nothing
/// here. 0: unknown.
std::uint64_t process_namespace();

/// Whether a process of this number, of the same namespace, is there and is no zombie that its
/// parent has yet to bury.
bool is_there(std::int32_t process);

/// How long each of several counters has stood still. For one thread.
class Pulses {
 public:
  explicit Pulses(int count) : last_(static_cast<std::size_t>(count)), since_(last_.size()) {}

  /// To be called more often than once a second: when it is not, this process did not run (a whole
  /// job may be stopped and go on), and all begin anew.
  void look();

  /// Since which time counter `i` has not changed from `now`, as far as it was looked at.
  base::Seconds silence(int i, std::int64_t now);

 private:
  std::vector<std::int64_t> last_;
  std::vector<base::Stopwatch> since_;
  base::Stopwatch since_look_;
};

}  // namespace vae_dist::data
