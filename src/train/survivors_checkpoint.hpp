// The checkpoint that the ranks write which are left after a failure: without MPI, by files in the
// run's directory (run/survivors.hpp).
#pragma once

#include <functional>
#include <string>

#include "config/config.hpp"
#include "run/launcher_facts.hpp"
#include "run/run_lock.hpp"
#include "train/last_step.hpp"

namespace vae_dist::train {

/// What all ranks know about a start before anything can fail.
struct StartIdentity {
  std::string start;  ///< random, drawn by rank 0
  std::string lock;   ///< the content of the run's lock, which rank 0 holds
  run::JobIdentity job;
};

struct SurvivorsRequest {
  const config::Config& config;
  const StartIdentity& identity;
  const run::LauncherFacts& launcher;
  int rank = 0, ranks = 1;
  std::string host;
  std::int64_t state_bytes = 0;
  std::function<bool(int rank)> has_ended;  ///< whether a rank cannot take part any more
  bool holds_lock = false;
};

/// Takes part in saving the last step that any survivor has applied. Returns within
/// run::saving_times(), as far as the file system answers. Says what was saved, or why nothing was.
/// Does not throw.
void save_with_survivors(LastStep& last, const SurvivorsRequest& request);

}  // namespace vae_dist::train
