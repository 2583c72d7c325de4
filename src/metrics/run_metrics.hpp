// Every Prometheus series of a rank, bound once at start, and the /metrics endpoint that serves
// them.
//
// Names start with vae_dist_, in base units; `_total` for counters. All series carry the labels
// `run`, `host`, `user` and, in a job of a batch system, `job_id`; per-rank series also `rank`.
// Loss-like series are global (equal on every rank) and served by rank 0 only, without `rank`; it
// also writes the checkpoints, whose series are its own. Labels are on the series, not on the
// scrape target (service_discovery.hpp), so they are the same whoever scrapes and never come out as
// exported_run or exported_rank. A series appears with its first value: what is not known yet is
// absent, not 0.
//
//   RunMetrics metrics({.run = "mnist", .host = "node1", .rank = 0}, {.steps_planned = 1000,
//   .global_batch = 64}, "127.0.0.1", 19400); metrics.record_step({.step = 1, .loss = 0.3, .samples
//   = 64, .step_seconds = 0.05});
//
// Thread safety: record_* may be called from one thread while scrapes go on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/gpu_readings.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::metrics {

struct MetricsIdentity {
  std::string run, host;
  int rank = 0, local_rank = 0;
  std::string user = {},
              job_id =
                  {};    ///< so that two people's runs of one name stay apart; empty: no such label
  std::string gpu = {};  ///< what the label `gpu` says; empty: no GPU
  std::function<base::GpuReadings()> read_gpu = {};  ///< asked at each scrape; empty: nobody tells
};

/// Facts of a run that do not change.
struct RunFacts {
  std::int64_t steps_planned = 0, global_batch = 0, ranks = 1, replicas = 1;
  std::int64_t restarts = 0;  ///< how often the run was started again
  std::vector<base::Term> other_terms =
      {};  ///< the objective's (objective/objective.hpp); one without a series is in the log alone
  std::vector<std::pair<std::string, std::string>>
      build = {},
      run = {};  ///< labels of vae_dist_build_info and vae_dist_run_info
};

class RunMetrics {
 public:
  /// Serves http://address:port/metrics. `port`: the wanted port (the caller adds the local rank);
  /// 0: any free one; taken: the next free one of the following 100; empty: no endpoint. An
  /// exporter that cannot start is a warning and no endpoint, never an error.
  RunMetrics(const MetricsIdentity& identity, const RunFacts& facts, const std::string& address,
             std::optional<int> port);
  ~RunMetrics();

  /// The port that is served, or empty.
  std::optional<int> port() const;

  void record_step(const StepMetrics& step);

  /// A checkpoint has been written, which took `seconds`.
  void record_checkpoint(double seconds);

  /// A checkpoint could not be written.
  void record_failed_checkpoint();

  void record_evaluation(const EvaluationMetrics& evaluation);

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace vae_dist::metrics
