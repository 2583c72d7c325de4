#include "comm/verdict.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace vae_dist::comm {
namespace {

constexpr double kAboutToSpeak_s =
    2.0;  // ranks that wait for the same rank reach their limits within this time of each other

std::string in_seconds(double seconds) {
  return base::text(std::llround(seconds * 10) / 10.0, " s");
}

// Returns whether `other` has started fewer collectives, is in an earlier step, or is in another
// phase of the same step.
bool is_behind(const Activity& other, const Activity& mine) {
  if (other.collectives != mine.collectives) return other.collectives < mine.collectives;
  return other.step < mine.step || (other.step == mine.step && other.phase != mine.phase);
}

bool contains(const std::vector<int>& ranks, int rank) {
  return std::ranges::find(ranks, rank) != ranks.end();
}

}  // namespace

Verdict judge(int rank, const std::vector<std::optional<Activity>>& ranks) {
  const Activity& mine = *ranks[static_cast<std::size_t>(rank)];
  Verdict out;
  std::int64_t fewest = mine.collectives;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (!ranks[r])
      out.not_responding.push_back(static_cast<int>(r));
    else
      fewest = std::min(fewest, ranks[r]->collectives);
  }
  // If a rank does not respond, others may be behind only because they wait for it.
  if (out.not_responding.empty())
    for (std::size_t r = 0; r < ranks.size(); ++r)
      if (ranks[r]->collectives == fewest && is_behind(*ranks[r], mine))
        out.late.push_back(static_cast<int>(r));

  const auto waits = [&](std::size_t r) {
    return ranks[r] && !contains(out.late, static_cast<int>(r)) && ranks[r]->left &&
           *ranks[r]->left < kAboutToSpeak_s;
  };
  out.speaker = 0;
  while (out.speaker < rank && !waits(static_cast<std::size_t>(out.speaker))) ++out.speaker;
  return out;
}

std::string timeout_message(int rank, const std::vector<std::optional<Activity>>& ranks) {
  const Activity& mine = *ranks[static_cast<std::size_t>(rank)];
  std::string out = base::text(mine.phase, " of step ", mine.step, " did not end within ",
                               in_seconds(mine.seconds + mine.left.value_or(0)));
  if (!mine.collective.empty())
    out += base::text(" (last collective: #", mine.collectives, " ", mine.collective, ")");
  const Verdict verdict = judge(rank, ranks);
  for (const int r : verdict.not_responding) out += base::text("; rank ", r, " is not responding");
  for (const int r : verdict.late) {
    const Activity& other = *ranks[static_cast<std::size_t>(r)];
    out += base::text("; rank ", r, " is late: in \"", other.phase, "\" of step ", other.step,
                      " for ", in_seconds(other.seconds));
    if (!other.collective.empty())
      out += base::text(", last collective #", other.collectives, " ", other.collective);
  }
  if (verdict.not_responding.empty() && verdict.late.empty())
    out += "; all ranks respond and are at the same point, so the exchange itself hangs";
  return out + ". (distributed.timeout_s and slow_timeout_s set the limits.)";
}

}  // namespace vae_dist::comm
