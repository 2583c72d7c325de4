// Whom do we wait for? What ranks say of themselves, and what follows from it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vae_dist::comm {

/// What a rank is doing.
struct Activity {
  std::string phase;  ///< "waiting for data", "forward, backward and gradient exchange"
  std::int64_t step = 0;
  double seconds = 0;            ///< since it began
  std::optional<double> left;    ///< seconds until the rank has waited too long; negative: it has
  std::int64_t collectives = 0;  ///< that the rank has started
  std::string collective;        ///< the last of them
};

/// Whom the ranks wait for, and which of those that wait is to say so.
struct Verdict {
  std::vector<int> not_responding;
  std::vector<int> late;  ///< the furthest behind, where all respond
  int speaker = 0;
};

/// `ranks[r]` is empty where rank r did not answer; `ranks[rank]` is the asking rank's own. The
/// speaker is the lowest of the ranks that wait for others and have, like the asking one, waited
/// too long. Pure.
Verdict judge(int rank, const std::vector<std::optional<Activity>>& ranks);

/// The sentence about a timeout: what did not end, and each rank that it waited for. Pure.
std::string timeout_message(int rank, const std::vector<std::optional<Activity>>& ranks);

}  // namespace vae_dist::comm
