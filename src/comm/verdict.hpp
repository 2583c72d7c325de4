// Finds out which ranks the others wait for, from what each rank reports about itself. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vae_dist::comm {

/// The current activity of a rank.
struct Activity {
  std::string phase;  ///< "waiting for data", "forward, backward and gradient exchange"
  std::int64_t step = 0;
  double seconds = 0;            ///< since the phase began
  std::optional<double> left;    ///< seconds until the time limit; negative: it has passed
  std::int64_t collectives = 0;  ///< number of collectives that the rank has started
  std::string collective;        ///< the last collective started
};

/// The ranks that others wait for, and the waiting rank that reports it.
struct Verdict {
  std::vector<int> not_responding;
  std::vector<int> late;  ///< the ranks furthest behind, if all respond
  int speaker = 0;
};

/// Finds the verdict. `ranks[r]` is empty if rank r did not answer; `ranks[rank]` is the asking
/// rank's own activity. The speaker is the lowest rank that waits for others and, like the asking
/// rank, has waited too long. Pure.
Verdict judge(int rank, const std::vector<std::optional<Activity>>& ranks);

/// Returns the message about a timeout: what did not end, and each rank that it waited for. Pure.
std::string timeout_message(int rank, const std::vector<std::optional<Activity>>& ranks);

}  // namespace vae_dist::comm
