// Pushes a job's final outcome to a Pushgateway, so that Prometheus can still be asked about a job
// that has ended (https://prometheus.io/docs/practices/pushing recommends this only for outcomes of
// batch jobs).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace vae_dist::metrics {

struct JobOutcome {
  std::string outcome;         ///< "done", "stopped" (with a checkpoint to resume from) or "failed"
  std::int64_t last_step = 0;  ///< of training, including earlier parts of a resumed run
  std::optional<double> loss;  ///< of the last step that was not skipped; empty if there was none
  base::Seconds duration{0};   ///< time that this process spent training
};

/// The owner of the outcome. Bytes that are not UTF-8 are escaped (base/utf8.hpp).
struct JobOwner {
  std::string run, user;
  std::string job_id = {};  ///< of a batch system; empty if there is none
};

/// Replaces the metrics of the user's `run` in the gateway, under the grouping key job="vae_dist",
/// run="<run>", user="<user>". `gateway`: host:port, or a URL. Throws Failure if this does not
/// succeed within `limit`.
void push_outcome(const std::string& gateway, const JobOwner& owner, const JobOutcome& outcome,
                  base::Seconds limit);

}  // namespace vae_dist::metrics
