// A job's final outcome, pushed to a Pushgateway: what is left to ask Prometheus about a job that
// is over (https://prometheus.io/docs/practices/pushing: outcomes of batch jobs, and nothing else).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace vae_dist::metrics {

struct JobOutcome {
  std::string outcome;         ///< "done", "stopped" (with a checkpoint, to go on) or "failed"
  std::int64_t last_step = 0;  ///< of training, earlier parts of a resumed run included
  std::optional<double> loss;  ///< of the last step that was not skipped; empty: there was none
  base::Seconds duration{0};   ///< of this process's training
};

/// Whose outcome it is. What is no UTF-8 is escaped (base/utf8.hpp).
struct JobOwner {
  std::string run, user;
  std::string job_id = {};  ///< of a batch system; empty: none
};

/// Replaces what the user's `run` has in the gateway, under the grouping key job="vae_dist",
/// run="<run>", user="<user>". `gateway`: host:port, or a URL. Throws Failure when that does not
/// work within `limit`.
void push_outcome(const std::string& gateway, const JobOwner& owner, const JobOutcome& outcome,
                  base::Seconds limit);

}  // namespace vae_dist::metrics
