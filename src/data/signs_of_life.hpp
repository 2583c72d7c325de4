// Checks whether another process of this node, which shares memory with this one, is still alive.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.hpp"

namespace vae_dist::data {

/// Returns the namespace in which the id of this process is valid; 0 if unknown. A process id of
/// another container means nothing here.
std::uint64_t process_namespace();

/// Returns whether a process with this id exists in the same namespace and is not a zombie that its
/// parent has yet to reap.
bool is_there(std::int32_t process);

/// Measures for how long each of several counters has not changed. Not thread-safe.
class Pulses {
 public:
  explicit Pulses(int count) : last_(static_cast<std::size_t>(count)), since_(last_.size()) {}

  /// Must be called more often than once a second. After a longer gap, which means that this
  /// process did not run (a whole job may be stopped and continued), all measurements start again.
  void look();

  /// Returns for how long counter `i`, whose value is `now`, has not changed, as far as it was
  /// observed.
  base::Seconds silence(int i, std::int64_t now);

 private:
  std::vector<std::int64_t> last_;
  std::vector<base::Stopwatch> since_;
  base::Stopwatch since_look_;
};

}  // namespace vae_dist::data
